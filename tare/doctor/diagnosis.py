"""Puts the checks together and says what follows from them.

A check says what it found and how it found out; nothing is concluded from a version number or a
file's existence where it can be tried. What is tried leaves nothing behind. Whether a sandbox can
be had is not concluded at all: it is started, by the calls that `tare run` starts it with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import sandboxes
from benchmarks.campaign import config
from benchmarks.errors import RunFolderError
from benchmarks.image import store
from benchmarks.image.errors import ImageError
from benchmarks.session import trial
from tare.doctor import abilities, accelerators, disturbances
from tare.doctor.model import Check, Diagnosis, State
from tare.settings import state_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.session.trial import Trial

SANDBOXES = ("native", "container", "vm")


def diagnose() -> Diagnosis:
    """Look at this host.

    Starts a bare process, a container and a guest as a run would, and QEMU's accelerators with a
    guest of a few instructions: seconds, most of them for the guest, and longer where the guest's
    CPU is emulated. Who else is busy here is looked at before.
    """
    others = disturbances.checks()
    trials, untried = try_sandboxes()
    audited, name, fast = accelerators.accelerator()
    able = (*abilities.checks(trials), audited)
    can_run = decide({check.id: check for check in able}, trials)
    return Diagnosis(
        checks=(*able, *others),
        can_run=can_run,
        ok=any(answer is True for answer in can_run.values()),
        accelerator=name,
        accelerates=fast,
        tried={
            sandbox: _how(trials.get(sandbox), untried)
            for sandbox in SANDBOXES
            if can_run[sandbox] is True
        },
    )


def try_sandboxes() -> tuple[dict[str, Trial], str]:
    """Start each sandbox once; where that cannot be tried now, nothing, and why."""
    try:
        image = store.latest()
    except (ImageError, OSError):
        image = None
    try:
        campaign = config.load("quick", sandboxes=SANDBOXES)
        return trial.attempt(campaign, image, state_folder()), ""
    except RunFolderError as error:
        return {}, str(error)


def _how(tried: Trial | None, untried: str) -> str:
    if tried is None:
        return f"not started: {untried}"
    if tried.started:
        return f"started and stopped in {tried.seconds:.1f} s"
    return "not started, for want of an image with a kernel; what it needs beside that was opened"


def decide(checks: dict[str, Check], trials: Mapping[str, Trial]) -> dict[str, bool | str]:
    """Say for every sandbox whether it can be had: True, or the reasons why not.

    What a trial has shown is not doubted, but that an image can be had is no part of it. Without
    root most checks fail for that reason alone, so it is then the only one named.
    """
    found: dict[str, bool | str] = {}
    for sandbox in SANDBOXES:
        tried = trials.get(sandbox)
        if tried is not None and tried.refused is not None:
            found[sandbox] = tried.refused
            continue
        asked = sandboxes.find(sandbox).needs if tried is None else ("image",)
        failed = [checks[n] for n in asked if n in checks and checks[n].state is State.FAIL]
        named = failed[:1] if failed and failed[0].id == "root" else failed
        found[sandbox] = "; ".join(f"{c.title}: {c.found}" for c in named) or True
    return found
