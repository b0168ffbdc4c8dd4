"""Checks of what a campaign needs: each is tried where it can be tried without harm."""

from __future__ import annotations

import ctypes.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.host import fingerprint, programs
from tare.doctor.accelerators import SETUP
from tare.doctor.model import Check, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.session.trial import Trial

CHILD = Path(__file__).with_name("child.py")
CHILD_SECONDS = 60
NEEDED_NAMESPACES = ("pid", "uts", "mount", "ipc", "network", "cgroup")
BUILD_BYTES = 3 << 30
"""Free space in the cache that building an image takes, its packages included."""
RUN_BYTES = 200 << 20

_DRIVERS = (
    "/usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so",
    "/usr/lib64/libvirt/connection-driver/libvirt_driver_qemu.so",
    "/usr/lib/libvirt/connection-driver/libvirt_driver_qemu.so",
)


def checks(trials: Mapping[str, Trial]) -> tuple[Check, ...]:
    """Make every check of abilities but that of the accelerator.

    Args:
        trials: What came of starting each sandbox; empty where none was started.
    """
    tried = try_in_child()
    picture = find_image()
    return (
        root(os.geteuid()),
        namespaces(tried),
        cgroups(trials),
        overlay(tried),
        seccomp(tried, ctypes.util.find_library("seccomp")),
        qemu(shutil.which(_qemu())),
        libvirt(),
        picture,
        disk(has_image=picture.state is State.OK),
    )


def try_in_child() -> dict[str, str]:
    """Try namespaces, overlay and filter in a process of its own.

    Returns:
        Trial to ``ok`` or an error's name; empty where the process itself could not run.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(CHILD)],
            capture_output=True,
            text=True,
            timeout=CHILD_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    pairs = (line.partition(" ") for line in done.stdout.splitlines())
    return {name: answer for name, _, answer in pairs}


def root(user: int) -> Check:
    """Check the rights tare itself runs with."""
    return Check(
        id="root",
        title="rights",
        state=State.OK if user == 0 else State.FAIL,
        found="root" if user == 0 else f"user {user}, not root",
        how="geteuid(2)",
        advice=None if user == 0 else "run tare as root: limits and mounts need it",
    )


def namespaces(tried: Mapping[str, str]) -> Check:
    """Check the namespaces a container is made of."""
    made = {name: tried.get(name, "not tried") for name in (*NEEDED_NAMESPACES, "user", "time")}
    working = [name for name, answer in made.items() if answer == "ok"]
    refused = {name: answer for name, answer in made.items() if answer != "ok"}
    missing = [name for name in NEEDED_NAMESPACES if name in refused]
    detail = ", ".join(f"{name} {answer}" for name, answer in refused.items())
    state = State.FAIL if missing else State.WARN if refused else State.OK
    return Check(
        id="namespaces",
        title="namespaces",
        state=state,
        found=f"{' '.join(working) or 'none'}{f'; refused: {detail}' if detail else ''}",
        how="unshare(2) of each in a child process",
        advice={
            State.FAIL: "run tare as root, on a host that allows these namespaces",
            State.WARN: "containers run without these; see sysctl user.max_*_namespaces",
        }.get(state),
    )


def cgroups(trials: Mapping[str, Trial]) -> Check:
    """Check the limits by where the kernel says that a container with limits was."""
    mode = fingerprint.cgroup_mode()
    title, identifier = "control groups", "cgroups"
    how = "started a container with a campaign's limits and read its /proc/PID/cgroup"
    if mode is None:
        return Check(
            id=identifier, title=title, state=State.WARN, found="not mounted",
            how="/proc/self/mounts", advice="mount cgroup2 at /sys/fs/cgroup to have limits",
        )  # fmt: skip
    trial = trials.get("container")
    if trial is None or not trial.started:
        said = "no container was started" if trial is None else "the container did not start"
        return Check(id=identifier, title=title, state=State.INFO, found=f"{mode}; {said}", how=how)
    places = [line.split(":", 2) for line in trial.groups]
    own = [path for _, _, path in places if "/tare-" in path]
    limited = ",".join(name or "unified" for _, name, path in places if "/tare-" in path)
    where = f"a container was in {own[-1]} ({limited})" if own else "a container had no group"
    return Check(
        id=identifier,
        title=title,
        state=State.WARN if trial.caveats or not own else State.OK,
        found="; ".join([f"{mode}; {where}", *trial.caveats]),
        how=how,
        advice="run tare where it may make control groups: as root, or in a delegated group "
        "(systemd-run --scope -p Delegate=yes)"
        if trial.caveats or not own
        else None,
    )


def overlay(tried: Mapping[str, str]) -> Check:
    """Check the file system that puts an instance's changes over the image."""
    answer = tried.get("overlay", "not tried")
    return Check(
        id="overlay",
        title="overlay file system",
        state=State.OK if answer == "ok" else State.FAIL,
        found="mounts" if answer == "ok" else f"refused: {answer}",
        how="mounted one over a tmpfs in a private mount namespace",
        advice=None if answer == "ok" else "run tare as root, on a kernel with overlayfs",
    )


def seccomp(tried: Mapping[str, str], library: str | None) -> Check:
    """Check the filter of system calls: the kernel's half and the library that assembles it."""
    answer = tried.get("seccomp", "not tried")
    working = answer == "ok" and library is not None
    kernel = "kernel filters" if answer == "ok" else f"kernel: {answer}"
    return Check(
        id="seccomp",
        title="seccomp",
        state=State.OK if working else State.FAIL,
        found=f"{kernel}; {library or 'libseccomp is missing'}",
        how="seccomp(2) asked for the errno action; searched for the library",
        advice=None if working else SETUP,
    )


def qemu(path: str | None) -> Check:
    """Check the virtual machine monitor by running it."""
    program = _qemu()
    how = f"ran {program} --version"
    import vmdriver

    reason = vmdriver.unsupported()
    if reason is not None:  # installing it would help nobody
        return Check(id="qemu", title="QEMU", state=State.FAIL, found=reason, how="uname(2)")
    if path is None:
        return _missing("qemu", "QEMU", f"{Path(program).name} is not installed", how)
    version = programs.said(path)
    if version.startswith("unknown"):
        why = version.removeprefix("unknown (").removesuffix(")")
        return _missing("qemu", "QEMU", f"{path} does not run: {why}", how)
    found = version.removeprefix("QEMU emulator version ")
    return Check(id="qemu", title="QEMU", state=State.OK, found=found, how=how)


def _qemu() -> str:
    from vmdriver.harness import of

    return of(platform.machine()).qemu


def libvirt() -> Check:
    """Check libvirt's library and the driver that is loaded into our own process."""
    how = "loaded the library; looked for the driver's module"
    try:
        import libvirt as library
    except ImportError as error:
        return _missing("libvirt", "libvirt", f"the Python binding does not load: {error}", how)
    number = library.getVersion()
    version = f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
    found = [path for pattern in _DRIVERS for path in Path("/").glob(pattern.lstrip("/"))]
    if not found:
        return _missing("libvirt", "libvirt", f"{version}, without its QEMU driver", how)
    return Check(
        id="libvirt", title="libvirt", state=State.OK, found=f"{version} with QEMU driver", how=how
    )


def find_image() -> Check:
    """Check that there is an image, or what it takes to build one."""
    from benchmarks.image import store

    how = "looked in the cache"
    try:
        image = store.latest()
    except Exception as error:  # noqa: BLE001  # an unreadable cache is the finding
        return _missing("image", "image", f"the cache cannot be read: {error}", how)
    if image is not None:
        kernel = "no kernel" if image.part is None else f"kernel {image.part.manifest.release}"
        found = f"{image.digest[:19]}…, {kernel}"
        return Check(id="image", title="image", state=State.OK, found=found, how=how)
    builder = shutil.which("mmdebstrap")
    return Check(
        id="image",
        title="image",
        state=State.WARN if builder else State.FAIL,
        found="none yet" if builder else "none, and mmdebstrap is not installed",
        how=how,
        advice="`tare run` builds one first; or run `tare image build`"
        if builder
        else f"{SETUP}; or bring an image from another host with `tare image import`",
    )


def disk(*, has_image: bool) -> Check:
    """Check the free space where images are kept."""
    from benchmarks.image import store

    folder = store.images_folder()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    needed = RUN_BYTES if has_image else BUILD_BYTES
    enough = free >= needed
    return Check(
        id="disk",
        title="disk space",
        state=State.OK if enough else State.WARN,
        found=f"{free / (1 << 30):.1f} GiB free for images",
        how=f"statvfs({folder})",
        advice=None if enough else f"free {needed >> 20} MiB there, or set XDG_CACHE_HOME",
    )


def _missing(identifier: str, title: str, found: str, how: str) -> Check:
    return Check(id=identifier, title=title, state=State.FAIL, found=found, how=how, advice=SETUP)
