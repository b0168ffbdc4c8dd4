"""Lay out the driver's directory, lock it, and remove what a crash left in it."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from vmdriver.errors import VmError
from vmdriver.qemu import guardian

_LONGEST_ROOT = 44  # what libvirt's and our longest socket path leaves of the 107 bytes
_DEAD_S = 5.0


@dataclass(frozen=True)
class Layout:
    """Paths below a state directory.

    Attributes:
        state: the directory itself: lock, consoles, saved VMs.
        root: of libvirt's embedded driver and of the sockets: ``state/v``, or a directory with a
            short name for the same state where a socket path would be too long.
        sockets: the ports of all VMs.
        consoles: logs of the guests' consoles.
    """

    state: Path
    root: Path

    @classmethod
    def of(cls, state: Path) -> "Layout":
        """The layout of ``state``."""
        state = Path(os.path.abspath(state))  # noqa: PTH100  # resolve() would lengthen links
        root = state / "v"
        if len(str(root)) > _LONGEST_ROOT:
            digest = hashlib.sha256(str(state).encode()).hexdigest()[:12]
            root = Path(tempfile.gettempdir()) / f"tare-{os.geteuid()}-{digest}"
        return cls(state, root)

    @property
    def sockets(self) -> Path:
        """Directory of the ports' sockets."""
        return self.root / "s"

    @property
    def consoles(self) -> Path:
        """Directory of the console logs."""
        return self.state / "console"

    @property
    def variables(self) -> Path:
        """Directory of the VMs' UEFI variables: each has a copy of its own to write to."""
        return self.state / "uefi"

    @property
    def saved(self) -> Path:
        """Directory of saved VMs that are of no use once their driver has ended."""
        return self.state / "saved"

    @property
    def mark(self) -> str:
        """What stands in the command line of every QEMU of this state, libvirt's probes too."""
        return f"{self.root}/"

    def remove_root(self) -> None:
        """Remove `root` where it lies outside `state`: nobody would find it there later."""
        if self.state not in self.root.parents:
            shutil.rmtree(self.root, ignore_errors=True)

    def make(self) -> None:
        """Make the directories. Raises VmError."""
        try:
            for directory in (
                *(self.state, self.consoles, self.saved, self.variables),
                *(self.root, self.sockets),
            ):
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise VmError(
                f"cannot make the VM driver's directory {error.filename}: {error.strerror}"
            ) from error

    def admit(self) -> None:
        """Let another user pass through to files of its own, and list nothing. Raises VmError.

        For a daemon's QEMU, which runs as that user; directories above the state are not ours.
        """
        try:
            for directory in (self.state, self.variables, self.root, self.sockets):
                directory.chmod(0o711)
        except OSError as error:
            raise VmError(
                f"cannot let QEMU into the VM driver's directory {error.filename}: {error.strerror}"
            ) from error

    def lock(self) -> int:
        """Take the directory for this process; the open lock.

        Raises:
            VmError: another process has it.
        """
        path = self.state / "lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise VmError(f"cannot write {path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise VmError(
                f"the process {owner} is using {self.state}; wait for its end or give another "
                "state directory"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor


def leftovers(state: Path) -> list[str]:
    """What stands below ``state`` of VMs, running or dead, in words. Empty after a clean end."""
    layout = Layout.of(state)
    found = []
    for pid, pidfd in guardian.find(layout.mark):
        os.close(pidfd)
        found.append(f"QEMU process {pid}")
    found += [f"socket {path}" for path in sorted(layout.sockets.glob("*"))]
    found += [f"UEFI variables {path}" for path in sorted(layout.variables.glob("*"))]
    found += [f"libvirt file {path}" for path in _libvirt_files(layout)]
    if not _in_use(layout):
        found += [f"saved VM {path}" for path in sorted(layout.saved.glob("*"))]
    return found


def _in_use(layout: Layout) -> bool:
    """Whether a driver, this process's own perhaps, has the directory."""
    try:
        with (layout.state / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def clean(state: Path) -> list[str]:
    """Remove what a crash left below ``state``; what was removed, in words.

    Raises:
        VmError: a living process is using ``state``, or QEMU does not die.
    """
    layout = Layout.of(state)
    if not layout.state.is_dir():
        return []
    descriptor = layout.lock()
    try:
        removed = clean_locked(layout)
        layout.remove_root()
    finally:
        os.close(descriptor)
    return removed


def clean_locked(layout: Layout) -> list[str]:
    """`clean` for who holds the lock already."""
    removed = [f"QEMU process {pid}" for pid in guardian.kill_all(layout.mark)]
    deadline = time.monotonic() + _DEAD_S
    while _running(layout):
        if time.monotonic() > deadline:
            raise VmError(f"QEMU of {layout.state} does not die; its disk may be stuck")
        time.sleep(0.01)
    for path in sorted(layout.sockets.glob("*")):
        path.unlink(missing_ok=True)
        removed.append(f"socket {path}")
    for what, folder in (("saved VM", layout.saved), ("UEFI variables", layout.variables)):
        for path in sorted(folder.glob("*")):
            path.unlink(missing_ok=True)
            removed.append(f"{what} {path}")
    for path in _libvirt_files(layout):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        removed.append(f"libvirt file {path}")
    return removed


def _running(layout: Layout) -> bool:
    found = guardian.find(layout.mark)
    for _pid, pidfd in found:
        os.close(pidfd)
    return bool(found)


def _libvirt_files(layout: Layout) -> list[Path]:
    """Files libvirt keeps of a running domain: status, pid, monitor."""
    found: list[Path] = []
    with contextlib.suppress(OSError):
        found += (layout.root / "lib" / "qemu").glob("domain-*")
        run = layout.root / "run" / "qemu"
        found += [
            path
            for path in run.glob("*")
            if path.suffix in {".xml", ".pid"} and path.name != "driver.pid"
        ]
    return sorted(found)
