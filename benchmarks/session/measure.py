"""Measures a campaign into a run folder: the one way that every command and suite takes."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from benchmarks.errors import UnsuitableHostError
from benchmarks.experiments import base as experiments
from benchmarks.results import runfolder
from benchmarks.results.journal import JournalWriter
from benchmarks.sandboxes import open_sandbox
from benchmarks.sandboxes.base import Setting
from benchmarks.session import leftovers
from benchmarks.session.description import check_same, describe
from benchmarks.session.lacking import lacking
from benchmarks.session.resources import choose_resources
from benchmarks.session.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.campaign.config import Campaign
    from benchmarks.campaign.schedule import Stop
    from benchmarks.experiments.base import Experiment
    from benchmarks.image import Image
    from benchmarks.sandboxes.base import Sandbox
    from benchmarks.session.observer import Observer


def measure(
    campaign: Campaign,
    out: Path,
    *,
    image: Image | None,
    state: Path,
    tare_version: str,
    observer: Observer,
    resume: bool = False,
    commit: str | None = None,
) -> Stop:
    """Measure a campaign into a run folder.

    Args:
        campaign: What to measure.
        out: The run folder, new unless ``resume``.
        image: The image that real sandboxes use.
        state: Folder for what a crash would leave behind, and for the host-wide lock.
        tare_version: Recorded in the run.
        observer: Told how it goes.
        resume: Continue the run in ``out``: only visits that are missing are made.
        commit: Recorded in a new run: the commit of what is measured, where it is known.

    Returns:
        Why the campaign ended.

    Raises:
        RunLockedError: Another campaign is running on this host.
        UnsuitableHostError: No sandbox of the campaign can be had here.
        RunFolderError: The folder cannot be written, or does not fit what is resumed.
    """
    with ExitStack() as stack:
        holder = f"process {os.getpid()}, run folder {out.absolute()}"
        stack.enter_context(alone(state, holder, observer.note))
        begun = resume and runfolder.is_begun(runfolder.load_info(out))
        previous = runfolder.load(out) if resume and not begun else None
        if previous is None:
            runfolder.begin(out)
        asked = experiments.asked(campaign.workloads, campaign.options)
        lacks = lacking(asked, image.root if image is not None else None)
        without = {lack.asked for lack in lacks}
        there = [name for name in campaign.workloads if name not in without]
        possible = experiments.asked(there, campaign.options)
        setting = setting_of(campaign, out / "logs", state, image, possible)
        opened, absent = open_all(stack, campaign, setting)
        observer.opened(list(opened), absent)
        if previous is None:
            info = describe(
                campaign,
                experiments=asked,
                setting=setting,
                opened=opened,
                absent=absent,
                tare_version=tare_version,
                commit=commit,
            )
            runfolder.create(out, info)
        else:
            info = previous.info
            check_same(info, campaign, setting, opened, out)
        journal = stack.enter_context(JournalWriter(out / "samples.jsonl"))
        for one in possible:
            one.open(stack, opened, setting)
        return Runner(
            campaign=campaign,
            experiments=possible,
            lacks=lacks,
            info=info,
            opened=opened,
            journal=journal,
            observer=observer,
            previous=previous,
            logs=setting.logs,
        ).run()


@contextmanager
def alone(state: Path, holder: str, note: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold the host-wide lock under which everything is measured, on a host without wrecks.

    Args:
        state: Folder for the lock, and for what a crash would leave behind.
        holder: What another campaign is told about this one.
        note: Told what of a killed one was removed, or resists.

    Raises:
        RunLockedError: Another campaign is running on this host.
        RunFolderError: The lock's file cannot be used.
    """
    with runfolder.campaign_lock(state / "campaign.lock", holder):
        found = leftovers.clean(state)
        if found.removed:
            note(f"removed what a killed tare had left: {found.removed[0]}{_more(found.removed)}")
        if found.resisting:
            note(f"a killed tare's leftover resists: {found.resisting[0]}; see `tare clean`")
        yield


def _more(things: Sequence[str]) -> str:
    return f" and {len(things) - 1} more" if len(things) > 1 else ""


def setting_of(
    campaign: Campaign,
    logs: Path,
    state: Path,
    image: Image | None,
    asked: Sequence[Experiment] = (),
) -> Setting:
    """Return what the campaign's sandboxes are given, of the experiments their commands.

    Raises:
        UnsuitableHostError: The host has fewer CPUs than asked for, or not those named.
    """
    resources = choose_resources(campaign)
    return Setting(
        resources=resources,
        image_root=image.root if image is not None else None,
        image=image,
        state=state,
        logs=logs,
        seed=campaign.seed,
        libvirt_uri=campaign.libvirt_uri or None,
        commands=tuple(tuple(args) for one in asked for args in one.commands(resources)),
    )


def open_all(
    stack: ExitStack,
    campaign: Campaign,
    setting: Setting,
) -> tuple[dict[str, Sandbox], dict[str, str]]:
    """Open the campaign's sandboxes on ``stack``; return those opened, and why others are absent.

    Raises:
        UnsuitableHostError: Not one can be had here.
    """
    opened: dict[str, Sandbox] = {}
    absent: dict[str, str] = {}
    for name in campaign.sandboxes:
        try:
            opened[name] = stack.enter_context(open_sandbox(name, setting))
        except UnsuitableHostError as error:
            absent[name] = str(error)
    if not opened:
        reasons = "; ".join(dict.fromkeys(absent.values()))
        raise UnsuitableHostError(f"none of the campaign's sandboxes can be had here: {reasons}")
    return opened, absent
