"""What the doctor finds, as frozen records."""

from __future__ import annotations

from enum import StrEnum

import msgspec

WATCH_SECONDS = 0.3
"""How long the host is watched for what others do on it."""


class State(StrEnum):
    """How a finding bears on a campaign."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    FAIL = "fail"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at.

    Attributes:
        id: Identifier, stable between versions.
        title: What it is.
        state: How it bears on a campaign.
        found: What was found, in a few words.
        how: How it was found out.
        advice: What to do about it; None where nothing need be done.
        group: ``abilities`` or ``disturbances``.
    """

    id: str
    title: str
    state: State
    found: str
    how: str
    advice: str | None = None
    group: str = "abilities"


def disturbance(  # noqa: PLR0917  # the six columns of one row
    identifier: str, title: str, state: State, found: str, how: str, advice: str | None
) -> Check:
    """Make a check of what would spoil a number; advice only where something is amiss."""
    return Check(
        id=identifier,
        title=title,
        state=state,
        found=found,
        how=how,
        advice=advice if state in {State.WARN, State.FAIL} else None,
        group="disturbances",
    )


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """All checks, and what follows from them.

    Attributes:
        checks: In the order of display.
        can_run: Sandbox to True, or to the reason why it cannot be had here.
        ok: Whether a campaign can run at all: at least one real sandbox can be had.
        accelerator: What runs a guest's instructions in a run here; None where nothing can.
        accelerates: Whether it does so at the host's speed.
        tried: How each sandbox was tried, in words.
    """

    checks: tuple[Check, ...]
    can_run: dict[str, bool | str]
    ok: bool
    accelerator: str | None = None
    accelerates: bool = False
    tried: dict[str, str] = {}
