"""Who is told how a campaign goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.campaign.schedule import Stop
    from benchmarks.results.records import Sample


class Observer(Protocol):
    """Is told how a campaign goes; never called between a start and its stop."""

    def note(self, line: str) -> None:
        """Say one line before anything is opened, such as a step of building the image."""

    def opened(self, sandboxes: Sequence[str], absent: Mapping[str, str]) -> None:
        """Say which sandboxes are measured and which could not be had."""

    def beginning(self, number: int, expected: int) -> None:
        """Say that a block of visits begins: its number from 1, and how many are expected."""

    def visiting(self, block: int, sandbox: str, remaining_s: float) -> None:
        """Say which visit begins, and the estimated time left in seconds."""

    def visited(self, samples: Sequence[Sample]) -> None:
        """Show the samples of the visit that ended."""

    def stopped(self, stop: Stop) -> None:
        """Say why the campaign ended."""
