"""Progress of a campaign on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.results.printable import cut, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from benchmarks.campaign.config import Campaign
    from benchmarks.campaign.schedule import Stop
    from benchmarks.results.records import Sample

_MOST = 1_000
"""Characters of a failure's reason that are shown; the journal has all of it."""

_SHORT_S = 1.0
"""Seconds below which no number of them is named."""

_REASONS = {
    "precision": "the precision asked for is reached",
    "budget": "the time budget is used",
    "blocks": "the most blocks are measured",
    "failures": "every sandbox failed to start twice in a row",
}


class CampaignProgress:
    """Shows what is being measured, how far it is, and the time left."""

    def __init__(self, campaign: Campaign, *, once: bool = False) -> None:
        """Prepare for a campaign; nothing is shown before the context is entered.

        Args:
            campaign: The campaign.
            once: Whether each sandbox is looked at once and no median is sought: then nothing is
                said of blocks, budgets and precision.
        """
        self._campaign = campaign
        self._once = once
        self._console = Console(file=sys.stderr, highlight=False)
        self._live = self._console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            transient=True,
            disable=not self._live,
        )
        total = None if once else campaign.budget_s  # without one the bar only moves
        self._task = self._progress.add_task("opening", total=total, left="")
        self._failed: set[str] = set()
        self._began = time.monotonic()
        self._number = self._expected = 0
        self._block = ""

    def note(self, line: str) -> None:
        """Say one line, such as a step of building the image."""
        self._print(line)

    def opened(self, sandboxes: Sequence[str], absent: Mapping[str, str]) -> None:
        """Say which sandboxes are measured and which could not be had."""
        self._print(f"measuring {', '.join(sandboxes)}")
        for name, reason in absent.items():
            self._print(f"absent: {name}: {reason}")

    def beginning(self, number: int, expected: int) -> None:
        """Say of what follows in which block it is, and how many there will be."""
        self._number, self._expected = number, expected
        fewest = self._campaign.blocks_min  # that many there will be: nothing ends it before
        word = "" if expected <= max(fewest, number) else "about "
        self._block = f"block {number} of {word}{expected}"

    def visiting(self, block: int, sandbox: str, remaining_s: float) -> None:
        """Say which visit begins."""
        del block  # counts those too in which starts alone are repeated
        what = f"looking at {sandbox}" if self._once else f"{self._block}: {sandbox}"
        left = "" if self._once else self._left(remaining_s)
        if self._live:
            spent_s = time.monotonic() - self._began
            total = None if self._once else spent_s + remaining_s
            completed = None if self._once else spent_s
            self._progress.update(
                self._task, description=what, total=total, completed=completed, left=left
            )
        else:
            self._print(f"{what} ({left})" if left else what)

    def _left(self, remaining_s: float) -> str:
        """Say how much time is left; none is no answer while something is still to be done."""
        if remaining_s < _SHORT_S and self._number >= self._expected:
            return "the last block, by the estimate"
        return f"about {max(remaining_s, _SHORT_S):.0f} s left"

    def visited(self, samples: Sequence[Sample]) -> None:
        """Say each new failure once; the rest is in the journal."""
        for sample in samples:
            if sample.status.failure and sample.detail:
                why = cut(sample.detail, _MOST)
                line = f"{sample.status.value}: {sample.sandbox} {sample.workload}: {why}"
                if line not in self._failed:
                    self._failed.add(line)
                    self._print(line)

    def stopped(self, stop: Stop) -> None:
        """Say why the campaign ended, and the precision it reached."""
        if self._once:
            return
        reached = ", ".join(
            f"{name} ±{width:.1%}" if width is not None else f"{name} unknown"
            for name, width in stop.reached.items()
        )
        self._print(f"done: {_REASONS.get(stop.reason, stop.reason)} (median start: {reached})")

    def _print(self, line: str) -> None:
        with suppress(OSError):  # who cannot be told is no reason to stop measuring
            self._console.print(visible(line), markup=False, soft_wrap=True)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
