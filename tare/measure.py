"""Measures a campaign for a command: its image, this host's state folder, and the run read back."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tare import __version__, images
from tare.settings import state_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.campaign.config import Campaign
    from benchmarks.results.runfolder import Run
    from benchmarks.session.observer import Observer


@contextmanager
def passing_run() -> Iterator[Path]:
    """Yield a run folder that nobody keeps, also after a SIGKILL: the next start removes it.

    Raises:
        RunFolderError: It cannot be made.
    """
    from benchmarks.session.temporary import temporary

    with temporary(state_folder()) as folder:
        yield folder / "run"


def measure_run(
    campaign: Campaign,
    folder: Path,
    observer: Observer,
    *,
    image: str | None = None,
    resume: bool = False,
    commit: str | None = None,
) -> Run:
    """Measure a campaign into a run folder and return what it holds.

    Args:
        campaign: What to measure.
        folder: The run folder, new unless ``resume``.
        observer: Told how it goes, and each step of building an image.
        image: Name or digest of the image; None for the one of this host's package sources.
        resume: Continue the run in ``folder``, with the image and commit it was begun with.
        commit: Commit of what is measured, where it is known.

    Raises:
        BenchmarkError: As for ``benchmarks.session.measure.measure``.
        ImageError: As for ``images.choose``.
    """
    from benchmarks.results import runfolder
    from benchmarks.session.description import begun

    if not resume:
        runfolder.begin(folder, begun(campaign, image, __version__, commit))
    try:
        return _measured(campaign, folder, observer, image=image, resume=resume, commit=commit)
    except Exception:  # whatever it is, nothing came of the run unless its sandboxes were open
        if not resume:
            runfolder.abandon(folder)
        raise


def _measured(
    campaign: Campaign,
    folder: Path,
    observer: Observer,
    *,
    image: str | None,
    resume: bool,
    commit: str | None,
) -> Run:
    from benchmarks.results import runfolder
    from benchmarks.session.measure import measure

    if resume:
        info = runfolder.load_info(folder)
        chosen, commit = images.of_run(campaign, info, observer.note), info.commit
    else:
        chosen = images.choose(campaign, image, observer.note)
    measure(
        campaign,
        folder,
        image=chosen,
        state=state_folder(),
        tare_version=__version__,
        observer=observer,
        resume=resume,
        commit=commit,
    )
    return runfolder.load(folder)
