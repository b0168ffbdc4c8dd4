"""Measures two versions in turns: in every round each once, in the order of a coin."""

from __future__ import annotations

import json
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.results import runfolder
from tare.patience import patiently
from tare.terminal import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.campaign.schedule import Stop
    from benchmarks.results.records import Sample
    from benchmarks.results.runfolder import Run
    from tare.versions import Plan, Version

_BASE, _NEW = "base", "new"
_PATIENCE_S = 600.0


@dataclass
class Turns:
    """What was measured: the runs of both versions, round by round."""

    base: list[Run] = field(default_factory=list)
    new: list[Run] = field(default_factory=list)


class _Quiet:
    """Says nothing of single starts: a round has a line of its own."""

    def opened(self, sandboxes: Sequence[str], absent: Mapping[str, str]) -> None:
        pass

    def beginning(self, number: int, expected: int) -> None:
        pass

    def visiting(self, block: int, sandbox: str, remaining_s: float) -> None:
        pass

    def visited(self, samples: Sequence[Sample]) -> None:
        pass

    def stopped(self, stop: Stop) -> None:
        pass

    def note(self, line: str) -> None:
        say(line)


def take(
    versions: tuple[Version, Version],
    plan: Plan,
    folder: Path,
    *,
    budget_s: float,
    most: int | None,
) -> Turns:
    """Measure round after round until the time is over or there are enough.

    Nothing that was measured has a say in when it ends.

    Args:
        versions: The base and the new version.
        plan: What they have in common.
        folder: Keeps a run folder for each turn, and ``ab.json`` that says in which order they were
            taken.
        budget_s: Wall time in which a round may begin, in seconds.
        most: Rounds; None for as many as the time allows.

    Raises:
        BenchmarkError: A version cannot be measured here.
        RunFolderError: The folder cannot be written.
    """
    coin = random.Random(f"{plan.seed}/turns")  # noqa: S311  # not cryptography
    named = dict(zip((_BASE, _NEW), versions, strict=True))
    taken = Turns()
    orders: list[list[str]] = []
    began = time.monotonic()
    longest = 0.0
    while most is None or len(orders) < most:
        started = time.monotonic()
        if orders and most is None and started - began + longest > budget_s:
            break
        order = [_BASE, _NEW]
        if coin.random() < 0.5:  # noqa: PLR2004  # a fair coin
            order.reverse()
        number = len(orders) + 1
        found = {side: _taken(named[side], plan, folder / f"{number:03}-{side}") for side in order}
        taken.base.append(found[_BASE])
        taken.new.append(found[_NEW])
        orders.append(order)
        longest = max(longest, time.monotonic() - started)
        _describe(folder, named, plan, orders)
        say(f"round {number}: {' then '.join(order)}, {time.monotonic() - started:.1f} s")
    return taken


def _taken(version: Version, plan: Plan, folder: Path) -> Run:
    """Take one turn; between two turns the host may be another campaign's for a while.

    Raises:
        RunLockedError: It is for longer than a while.
    """
    return patiently(lambda: version.turn(plan, folder, _Quiet()), _PATIENCE_S, say)


def _describe(
    folder: Path, named: Mapping[str, Version], plan: Plan, orders: list[list[str]]
) -> None:
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    said = {
        **{side: version.name for side, version in named.items()},
        "seed": plan.seed,
        "blocks": plan.blocks,
        "rounds": orders,
    }
    runfolder.write_atomically(folder / "ab.json", json.dumps(said, indent=2).encode())
