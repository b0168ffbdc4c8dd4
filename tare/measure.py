"""Measures a campaign for a command: with this host's state folder, and the run read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare import __version__
from tare.settings import state_folder

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.campaign.config import Campaign
    from benchmarks.results.runfolder import Run
    from benchmarks.session.observer import Observer


def measure_run(
    campaign: Campaign, folder: Path, observer: Observer, *, resume: bool = False
) -> Run:
    """Measure a campaign into a run folder and return what it holds.

    Raises:
        BenchmarkError: As for ``benchmarks.session.measure.measure``.
    """
    from benchmarks.results import runfolder
    from benchmarks.session.measure import measure

    measure(
        campaign,
        folder,
        state=state_folder(),
        tare_version=__version__,
        observer=observer,
        resume=resume,
    )
    return runfolder.load(folder)
