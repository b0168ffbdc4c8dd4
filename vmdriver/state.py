"""Lay out the driver's directory, lock it, and remove what a crash left in it."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from vmdriver.errors import VmError
from vmdriver.qemu import guardian

_LONGEST_ROOT = 44  # what libvirt's and our longest socket path leaves of the 107 bytes
_DEAD_S = 5.0
_GUARDED_S = 30.0  # a dead driver's guardian watches for some seconds, on a busy host for more
_OTHERS_WRITE = 0o022
_SHORT_FOLDER = 15  # with the longest user id


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
            root = _short_folder() / f"tare-{os.geteuid()}-{digest}"
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
    def guests(self) -> Path:
        """Directory of the running guests' records: which process is whose."""
        return self.state / "guests"

    @property
    def logs(self) -> Path:
        """Directory of QEMU's own words, which libvirt keeps, a file a guest."""
        return self.root / "log" / "qemu"

    def remove_root(self) -> None:
        """Remove `root` where it lies outside `state`: nobody would find it there later."""
        if self.state not in self.root.parents:
            shutil.rmtree(self.root, ignore_errors=True)

    def is_own(self) -> bool:
        """Whether what stands there is ours alone to write: nobody else's records are believed."""
        return all(not path.exists(follow_symlinks=False) or is_own(path) for path in self._roots)

    @property
    def _roots(self) -> tuple[Path, Path]:
        return (self.state, self.root)

    def make(self) -> None:
        """Make the directories. Raises VmError; also where one is somebody else's, or a link."""
        try:
            for directory in (
                *(self.state, self.consoles, self.saved, self.variables, self.guests),
                *(self.root, self.sockets),
            ):
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
                if directory in self._roots:
                    _take(directory)
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

        A driver that died has it until its guardian has ended: this waits for that.

        Raises:
            VmError: another process has it.
        """
        path = self.state / "lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise VmError(f"cannot write {path}: {error.strerror}") from error
        until = time.monotonic() + _GUARDED_S
        while not _taken(descriptor):
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            gone = owner.isdigit() and guardian.start_time(int(owner)) is None
            if not gone or time.monotonic() > until:
                os.close(descriptor)
                raise VmError(
                    f"the process {owner or 'unknown'} is using {self.state}; wait for its end or "
                    "give another state directory"
                )
            time.sleep(0.02)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def leftovers(state: Path) -> list[str]:
    """What stands below ``state`` of VMs, running or dead, in words. Empty after a clean end."""
    layout = Layout.of(state)
    if not layout.is_own():
        return []
    found = [f"QEMU process {pid}" for pid in _running(layout)]
    return found + [f"{what} {path}" for what, path in _files(layout, whole=not _in_use(layout))]


def left_alone(state: Path) -> list[str]:
    """What is there and not provably ours to remove, in words."""
    layout = Layout.of(state)
    if not layout.is_own():
        return [_whose(path) for path in (layout.state, layout.root) if _is_foreign(path)]
    records = guardian.records(str(layout.guests))
    return [
        f"{layout.guests / name}.json: QEMU process {records[name]['pid']} of another namespace "
        "may be running"
        for name in _elsewhere(layout)
    ]


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
    if not layout.is_own() or not layout.consoles.is_dir():
        return []  # of no driver, or not ours
    descriptor = layout.lock()
    try:
        removed = clean_locked(layout)
        if not _elsewhere(layout):
            layout.remove_root()
    finally:
        os.close(descriptor)
    return removed


def clean_locked(layout: Layout) -> list[str]:
    """`clean` for who holds the lock already."""
    killed = guardian.kill_all(str(layout.guests), str(layout.root))
    removed = [f"QEMU process {pid}" for pid in killed]
    deadline = time.monotonic() + _DEAD_S
    while _running(layout):
        if time.monotonic() > deadline:
            raise VmError(f"QEMU of {layout.state} does not die; its disk may be stuck")
        time.sleep(0.01)
    for what, path in _files(layout, whole=True):
        remove(path)
        removed.append(f"{what} {path}")
    return removed


def remove(path: Path) -> None:
    """Remove a file, or a directory with all in it; what resists is found by `leftovers`."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_own(path: Path) -> bool:
    """Whether a directory is no link, belongs to us, and nobody else may write to it."""
    status = path.lstat()
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.geteuid()
        and not status.st_mode & _OTHERS_WRITE
    )


def _is_foreign(path: Path) -> bool:
    return path.exists(follow_symlinks=False) and not is_own(path)


def _whose(path: Path) -> str:
    return (
        f"{path}: it is a link, belongs to another than user {os.geteuid()}, or others may write "
        "to it"
    )


def _take(directory: Path) -> None:
    """Shut a directory of ours that was made under a lax umask. Raises VmError: it is not ours."""
    status = directory.lstat()
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
        if status.st_mode & _OTHERS_WRITE:
            directory.chmod(stat.S_IMODE(status.st_mode) & ~_OTHERS_WRITE)
        return
    raise VmError(
        f"the VM driver does not use {directory}: it is a link, or belongs to another than user "
        f"{os.geteuid()}; remove it, or give another state directory"
    )


def _short_folder() -> Path:
    """Where a directory with a short name can be, if possible where nobody else makes any."""
    own = Path("/run") if os.geteuid() == 0 else Path(os.environ.get("XDG_RUNTIME_DIR") or "/")
    with contextlib.suppress(OSError):
        if is_own(own) and os.access(own, os.W_OK) and len(str(own)) <= _SHORT_FOLDER:
            return own
    return Path(tempfile.gettempdir())


def _running(layout: Layout) -> list[int]:
    return sorted(pid for pid, _proven in guardian.find(str(layout.guests), str(layout.root)))


def _elsewhere(layout: Layout) -> list[str]:
    """Names of guests of which nobody here can tell whether they run."""
    records = guardian.records(str(layout.guests))
    return sorted(name for name, one in records.items() if guardian.fate(one) == "elsewhere")


def _files(layout: Layout, *, whole: bool) -> list[tuple[str, Path]]:
    """Files of guests, with what each is; all but those of guests that are not ours to judge.

    Args:
        layout: where.
        whole: those as well that a driver at work keeps although no guest runs.
    """
    libvirt, run = layout.root / "lib" / "qemu", layout.root / "run" / "qemu"
    found = [("socket", path) for path in layout.sockets.glob("*")]
    found += [("UEFI variables", path) for path in layout.variables.glob("*")]
    found += [("record", path) for path in layout.guests.glob("*")]
    found += [("libvirt file", path) for path in libvirt.glob("domain-*")]
    found += [
        ("libvirt file", path)
        for path in run.glob("*")
        if path.suffix in {".xml", ".pid"} and path.name != "driver.pid"
    ]
    if whole:
        found += [("saved VM", path) for path in layout.saved.glob("*")]
        found += [("console", path) for path in layout.consoles.glob("*")]
        found += [("log", path) for path in layout.logs.glob("*")]
        found += [("libvirt file", path) for path in libvirt.glob("qmp-*")]
    kept = _elsewhere(layout)
    return sorted((w, path) for w, path in found if not any(name in path.name for name in kept))
