"""Starts each sandbox of a campaign once and measures nothing: what a run would meet on this host.

By the very calls that a run opens and starts them with, so that the two cannot disagree.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.errors import BenchmarkError, UnsuitableHostError
from benchmarks.sandboxes import find, open_sandbox
from benchmarks.session import measure
from benchmarks.session.temporary import temporary
from runtime.errors import ContainerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.campaign.config import Campaign
    from benchmarks.image import Image
    from benchmarks.sandboxes.base import Instance, Sandbox, Setting

_STAND_IN = Path(__file__).with_name("standin.c")


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What came of starting one sandbox.

    Attributes:
        refused: Why it cannot be had, in a sentence; None where it can.
        started: Whether an instance ran; without an image no guest has a kernel to boot, and only
            what it needs beside that is opened.
        seconds: How long opening, starting and stopping took.
        groups: Lines of /proc/PID/cgroup of an instance's first process (cgroups(7)).
        caveats: What the host lacks and its instances do without.
        details: What the sandbox says of itself, as in a run folder.
    """

    refused: str | None = None
    started: bool = False
    seconds: float = 0.0
    groups: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    details: dict[str, object] = {}


def attempt(campaign: Campaign, image: Image | None, state: Path) -> dict[str, Trial]:
    """Start every sandbox of a campaign once, and remove it.

    Args:
        campaign: Names the sandboxes and their resources.
        image: What they run; None for a stand-in of a few bytes.
        state: As for a run.

    Returns:
        Sandbox to what came of it.

    Raises:
        RunLockedError: A campaign is running, which this would disturb.
        RunFolderError: The state folder cannot be used.
    """
    with ExitStack() as stack:
        holder = f"process {os.getpid()}, trying what can be started"
        stack.enter_context(measure.alone(state, holder))
        folder = stack.enter_context(temporary(state))
        folder.chmod(0o755)  # a container's root must be able to search the way to its image
        try:
            setting = measure.setting_of(campaign, folder, state, image)
            if image is None:
                setting = replace(setting, image_root=_stand_in(folder / "image"))
        except UnsuitableHostError as error:
            return {name: Trial(refused=str(error)) for name in campaign.sandboxes}
        return {name: _attempt(name, setting) for name in campaign.sandboxes}


def _attempt(name: str, setting: Setting) -> Trial:
    began = time.monotonic()
    try:
        if setting.image is None and find(name).isolation == "machine":
            _open_without_image(setting)
            return Trial(seconds=time.monotonic() - began)
        with open_sandbox(name, setting) as box:
            groups = _start(box)
            return Trial(
                started=True,
                seconds=time.monotonic() - began,
                groups=groups,
                caveats=box.info.caveats,
                details=box.info.details,
            )
    except (BenchmarkError, ContainerError, OSError) as error:
        return Trial(refused=str(error), seconds=time.monotonic() - began)


def _start(box: Sandbox) -> tuple[str, ...]:
    with box.start() as instance:
        return tuple(_groups(instance))


def _groups(instance: Instance) -> Iterator[str]:
    """Read where the kernel says that an instance is: the last line of evidence of any limit."""
    for pid in instance.pids()[:1]:
        try:
            yield from Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
        except OSError:
            return


def _open_without_image(setting: Setting) -> None:
    """Audit the accelerators and open libvirt, as the sandbox of a VM does before it has a kernel.

    Raises:
        UnsuitableHostError: One of them cannot be had.
    """
    import vmdriver
    from benchmarks.sandboxes.vm import accelerator

    if os.geteuid() != 0:
        raise UnsuitableHostError("the sandbox 'vm' needs root for libvirt's own driver")
    accelerator.choose()
    try:
        with vmdriver.Driver(setting.state / "vm", setting.libvirt_uri):
            pass
    except (vmdriver.VmError, OSError) as error:
        raise UnsuitableHostError(f"the sandbox 'vm' cannot be had here: {error}") from error


def _stand_in(folder: Path) -> Path:
    """Make a tree whose only program reports its first instruction, as the image's does.

    Where it cannot be compiled the runtime's own executor cannot be either, and says so itself.
    """
    from runtime import harness

    (folder / "bin").mkdir(parents=True)
    with suppress(ContainerError):
        shutil.copy(harness.compiled("standin", [_STAND_IN]), folder / "bin" / "busybox")
    return folder
