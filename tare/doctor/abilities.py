"""Checks of what a campaign needs: each is tried where it can be tried without harm."""

from __future__ import annotations

import ctypes.util
import os
import platform
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.host import fingerprint
from tare.doctor.model import Check, State

if TYPE_CHECKING:
    from collections.abc import Mapping

CHILD = Path(__file__).with_name("child.py")
CHILD_SECONDS = 20
NEEDED_NAMESPACES = ("pid", "uts", "mount", "ipc", "network", "cgroup")
NEEDED_CONTROLLERS = ("memory", "cpu", "pids")
BUILD_BYTES = 3 << 30
"""Free space in the cache that building an image takes, its packages included."""
RUN_BYTES = 200 << 20

_DRIVERS = (
    "/usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so",
    "/usr/lib64/libvirt/connection-driver/libvirt_driver_qemu.so",
    "/usr/lib/libvirt/connection-driver/libvirt_driver_qemu.so",
)
_SETUP = "install the packages with `make setup`, or see the README"


def checks() -> tuple[Check, ...]:
    """Make every check of abilities."""
    tried = try_in_child()
    picture = find_image()
    return (
        root(os.geteuid()),
        namespaces(tried),
        cgroups(),
        overlay(tried),
        seccomp(tried, ctypes.util.find_library("seccomp")),
        qemu(shutil.which(_qemu())),
        libvirt(),
        accelerator(),
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


def cgroups() -> Check:
    """Check the limits' controllers by making a group below our own and removing it."""
    mode = fingerprint.cgroup_mode()
    how = "made a group below our own with every controller, and removed it"
    title, identifier = "control groups", "cgroups"
    if mode is None:
        return Check(
            id=identifier, title=title, state=State.WARN, found="not mounted",
            how="/proc/self/mounts", advice="mount cgroup2 at /sys/fs/cgroup to have limits",
        )  # fmt: skip
    try:
        usable = _make_group()
    except Exception as failed:  # noqa: BLE001  # whatever the runtime meets is the finding
        error = failed.strerror if isinstance(failed, OSError) else failed
        return Check(
            id=identifier, title=title, state=State.WARN, found=f"{mode}, but: {error}", how=how,
            advice="run tare where it may make control groups (root, or a delegated group)",
        )  # fmt: skip
    missing = [name for name in NEEDED_CONTROLLERS if name not in usable]
    found = f"{mode}; usable: {' '.join(usable) or 'none'}"
    return Check(
        id=identifier,
        title=title,
        state=State.WARN if missing else State.OK,
        found=f"{found}; missing: {' '.join(missing)}" if missing else found,
        how=how,
        advice="containers would run without these limits" if missing else None,
    )


def _make_group() -> list[str]:
    """Make and remove a group; return the controllers that took part."""
    from runtime import harness

    where = harness.layout.current()
    groups = harness.cgroups.manager(f"tare-doctor-{os.getpid()}-{secrets.token_hex(2)}", where)
    if groups is None:
        return []
    try:
        groups.create("trial").remove()
    finally:
        groups.close()
    if where.v2:
        return sorted(harness.layout.V2_CONTROLLERS & fingerprint.cgroup_controllers().keys())
    return sorted(where.v1)


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
        advice=None if working else _SETUP,
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
        return _missing("qemu", "QEMU", f"{program} is not installed", how)
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=CHILD_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return _missing("qemu", "QEMU", f"{path} does not run: {error}", how)
    version = done.stdout.splitlines()[0].removeprefix("QEMU emulator version ")
    return Check(id="qemu", title="QEMU", state=State.OK, found=version, how=how)


def _qemu() -> str:
    return f"qemu-system-{platform.machine()}"


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


def accelerator() -> Check:
    """Check what runs a guest's instructions, by measuring."""
    how = "a tiny guest counted a loop under each, against the same loop natively"
    import vmdriver

    if vmdriver.unsupported() is None and shutil.which(_qemu()) is None:
        return _missing("accelerator", "accelerator", "not measured: no QEMU", how)
    try:
        audited: list[Any] = vmdriver.audit()
    except Exception as error:  # noqa: BLE001  # whatever the audit meets is the finding
        return _missing("accelerator", "accelerator", f"cannot be measured: {error}", how)
    return judge_accelerators(audited, how)


def judge_accelerators(audited: list[Any], how: str) -> Check:
    """Say what the audit means for a campaign."""
    words = [
        f"{a.name} {a.verdict}: {a.reason}"
        if a.verdict == "unusable"
        else f"{a.name} {a.verdict}{f' ({a.ratio:.2g} of native speed)' if a.ratio else ''}"
        for a in audited
    ]
    fast = any(a.verdict == "accelerates" for a in audited)
    usable = fast or any(a.verdict == "emulates" and a.name == "tcg" for a in audited)
    state = State.OK if fast else State.WARN if usable else State.FAIL
    return Check(
        id="accelerator",
        title="accelerator",
        state=state,
        found="; ".join(words),
        how=how,
        advice={
            State.WARN: "guests run on an emulated CPU, so their speeds are never ranked; "
            "use a host with working KVM for that",
            State.FAIL: _SETUP,
        }.get(state),
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
        found = f"{image.digest[:19]}…, kernel {image.kernel_release}"
        return Check(id="image", title="image", state=State.OK, found=found, how=how)
    builder = shutil.which("mmdebstrap")
    return Check(
        id="image",
        title="image",
        state=State.WARN if builder else State.FAIL,
        found="none yet" if builder else "none, and mmdebstrap is not installed",
        how=how,
        advice="`tare run` builds one first; or run `tare image build`" if builder else _SETUP,
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
    return Check(id=identifier, title=title, state=State.FAIL, found=found, how=how, advice=_SETUP)
