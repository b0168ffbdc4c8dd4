"""The prepared disks: one folder each in the cache, named by what went into it.

A folder appears by one rename. Who boots from one holds a shared lock on it; older ones that
nobody holds are deleted when a new one is made.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from benchmarks.image.builder import recipe_of
from benchmarks.image.sources import Host as Distribution
from tests.hosts.framework import checkout, mirrors, tree
from tests.hosts.framework.errors import HostError, PreparationError
from tests.hosts.framework.hosts import Host
from tests.hosts.framework.owned import owned, require

Progress = Callable[[str], None]
_PARTIAL = ".partial-"
KEPT = 4  # checkouts that differ in packages are worked on at the same time
_BYTES = 16 * 2**30  # sparse
_PART_OF_THE_DISK = (
    "ansible/roles/tare_host/files/packages.txt",
    "constraints.txt",
    "tests/hosts/framework/image.py",
    "tests/hosts/framework/mirrors.py",
    "tests/hosts/framework/prepare.sh",
    "tests/hosts/framework/tree.py",
)


@dataclass(frozen=True, slots=True)
class Disk:
    """What a host boots from: `folder` holds the disk, the kernel, its initrd and a login key."""

    folder: Path

    @property
    def image(self) -> Path:
        """A raw ext4 file system; nothing writes to it after it was made."""
        return self.folder / "disk"

    @property
    def kernel(self) -> Path:
        """Its kernel."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """Its initial RAM disk."""
        return self.folder / "initrd"

    @property
    def key(self) -> Path:
        """The private key that opens root by SSH."""
        return self.folder / "key"


def cache_folder() -> Path:
    """Where the disks lie: ``tare-hosts`` in the XDG cache directory."""
    return platformdirs.user_cache_path("tare-hosts")


def digest_of(host: Host) -> str:
    """SHA-256 over all that is on the disk of `host`, shortened; the code under test is not."""
    total = hashlib.sha256()
    asked = (host.suite, host.packages, host.kernel, host.kernel_suite, mirrors.sources(host.suite))
    total.update(repr(asked).encode())
    total.update(recipe_of(Distribution("debian", host.suite), ()).encode())
    # the linters' settings stand last, and install nothing; scripts/setup leaves them out as well
    project = (checkout.ROOT / "pyproject.toml").read_text()
    total.update(project.partition("[tool.ruff]")[0].encode())
    for name in _PART_OF_THE_DISK:
        total.update((checkout.ROOT / name).read_bytes())
    return total.hexdigest()[:16]


@contextmanager
def prepared(host: Host, progress: Progress) -> Iterator[Disk]:
    """The disk of `host`, made where the cache lacks it; held while the context is open.

    Raises:
        PreparationError, ToolMissingError: it cannot be made.
    """
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{host.suite}-{digest_of(host)}"
    with ExitStack() as stack:
        with _locked(folder / ".lock", progress):
            _delete_remainders(folder)
            if not final.is_dir():
                _make(host, final, progress)
            os.utime(final)
            stack.enter_context(held(final))
            prune(folder)
        yield Disk(final)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a disk from being deleted."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _make(host: Host, final: Path, progress: Progress) -> None:
    if os.geteuid() != 0:
        raise PreparationError("preparing a host's disk needs root; run this as root")
    require("mkfs.ext4", "ssh-keygen")
    work = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=final.parent))
    for old in final.parent.glob("*.log"):  # of preparations that failed
        old.unlink()
    log = final.parent / f"{final.name}.log"
    log.write_text("")
    root = work / "tree"
    try:
        progress(f"preparing the disk of {host.name}, once, in some minutes (log: {log})")
        _tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(work / "key"))
        tree.make(host, root, key=work / "key.pub", log=log)
        shutil.copy(max(root.glob("boot/vmlinuz-*")), work / "vmlinuz")
        shutil.copy(max(root.glob("boot/initrd.img-*")), work / "initrd")
        progress("writing the disk")
        with (work / "disk").open("wb") as disk:
            disk.truncate(_BYTES)
        _tool("mkfs.ext4", "-q", "-d", str(root), str(work / "disk"))
        shutil.rmtree(root)
        work.rename(final)
    except OSError as error:
        raise PreparationError(f"preparing a disk in {work} failed: {error}") from error
    finally:
        if work.is_dir():
            shutil.rmtree(work)
    log.unlink()


def _tool(*command: str) -> None:
    done = subprocess.run(owned(*command), capture_output=True, text=True, check=False)
    if done.returncode:
        raise PreparationError(f"{command[0]} failed: {done.stderr.strip()}")


def prune(folder: Path) -> None:
    """Delete the disks used longest ago, beyond `KEPT` of them; not those that are held."""
    disks = [p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
    for disk in sorted(disks, key=lambda p: p.stat().st_mtime, reverse=True)[KEPT:]:
        descriptor = os.open(disk, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
        aside = disk.with_name(f"{_PARTIAL}{disk.name}")
        disk.rename(aside)
        shutil.rmtree(aside)


def _delete_remainders(folder: Path) -> None:
    """Delete what killed preparations left; their mounts went with their namespaces."""
    for path in folder.glob(f"{_PARTIAL}*"):
        if f" {path}/" in Path("/proc/self/mountinfo").read_text():
            raise HostError(f"{path} has mounts inside; unmount them and delete it")
        shutil.rmtree(path)


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another process that prepares a disk")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
