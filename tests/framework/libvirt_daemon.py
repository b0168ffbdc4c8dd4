"""A libvirtd that a test starts itself: its own configuration, sockets, state and processes.

The package is unpacked, not installed: installing it starts a service on hosts with systemd. The
daemon's paths are compiled in, so it runs in a mount namespace in which they are empty; its QEMUs
are in a process namespace of its own, whose end is the end of them all. Its sockets, and everything
that the host and QEMU share, lie in a short-named folder that any user can enter.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import platformdirs

from vmdriver import VmConfig

CONFIG = """\
unix_sock_dir = "{folder}/run"
auth_unix_rw = "none"
auth_unix_ro = "none"
log_outputs = "3:file:{folder}/libvirtd.log"
"""
SYSTEM = """\
mount --make-rprivate / 2> /dev/null
for name in /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt; do
    mkdir -p $name && mount -t tmpfs none $name || exit 1
done
# A host's udev lets QEMU's user open this. Where only root can, libvirt 11 asks QEMU again and
# again what it can do, since what it has learnt as root does not hold for that user.
if [ -e /dev/kvm ]; then
    mknod -m 666 /run/libvirt/kvm c 10 232 && mount --bind /run/libvirt/kvm /dev/kvm || exit 1
fi
printf 'stdio_handler = "file"\\ncgroup_controllers = []\\n' > /etc/libvirt/qemu.conf
"""
# What a daemon's death leaves, its QEMUs, must go on: so the namespace outlives it.
RUN = """
"$@" &
wait
exec sleep infinity
"""
NOBODY = 65534
_START_S = 20


def binary() -> Path:
    """libvirtd, of the version of the library in use; unpacked into the user's cache."""
    if found := shutil.which("libvirtd"):
        return Path(found)
    query = ["dpkg-query", "--show", "--showformat=${Version}", "libvirt0"]
    version = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    folder = platformdirs.user_cache_path("tare") / "tests" / f"libvirt-daemon-{version}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            package = ["apt-get", "-qq", "download", f"libvirt-daemon={version}"]
            subprocess.run(package, cwd=scratch, check=True, capture_output=True)
            (deb,) = Path(scratch).glob("*.deb")
            unpacked = Path(scratch) / "unpacked"
            subprocess.run(["dpkg-deb", "--extract", deb, unpacked], check=True)
            unpacked.rename(folder)
    return folder / "usr" / "sbin" / "libvirtd"


@dataclass(frozen=True)
class Daemon:
    """A running libvirtd.

    Attributes:
        folder: what the host, the daemon and its QEMUs share.
        uri: how it is reached.
        pid: its process on the host.
        environment: what a client of a session daemon needs in its environment.
    """

    folder: Path
    uri: str
    pid: int
    environment: dict[str, str]

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def within_reach(self, config: VmConfig) -> VmConfig:
        """``config`` with its files where other users can read them."""
        return replace(
            config,
            kernel=self._linked(config.kernel),
            initrd=self._linked(config.initrd),
            disk=self._linked(config.disk),
        )

    def _linked(self, path: Path) -> Path:
        here = self.folder / path.name
        if not here.exists():
            try:
                here.hardlink_to(path)
            except OSError:  # another file system
                shutil.copyfile(path, here)
        return here


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tare-d-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(binary(), folder / "libvirtd")
        (folder / "config").write_text(CONFIG.format(folder=folder))
        yield folder


@contextmanager
def _started(
    folder: Path, socket: Path, uri: str, script: str, environment: dict[str, str], *before: str
) -> Iterator[Daemon]:
    with subprocess.Popen(
        # The namespace's first process, catatonit, reaps; it dies with unshare, and all with it.
        [
            *("unshare", "--mount", "--pid", "--mount-proc", "--kill-child=KILL", "--fork"),
            *("catatonit", "--", "sh", "-c", script + RUN, "sh", *before),
            *(folder / "libvirtd", "--config", folder / "config"),
            *("--pid-file", folder / "run" / "pid"),
        ],
        stdout=(folder / "out").open("wb"),
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
    ) as process:
        try:
            until = time.monotonic() + _START_S
            while not socket.exists():
                assert process.poll() is None, (folder / "out").read_text()
                assert time.monotonic() < until, (folder / "libvirtd.log").read_text()
                time.sleep(0.01)
            yield Daemon(folder, uri, _child(_child(_child(process.pid))), environment)
        finally:
            process.kill()


def _child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


@contextmanager
def system() -> Iterator[Daemon]:
    """A privileged daemon, as a host with libvirt has one."""
    with _folder() as folder:
        (folder / "run").mkdir()
        socket = folder / "run" / "libvirt-sock"
        with _started(folder, socket, f"qemu:///system?socket={socket}", SYSTEM, {}) as daemon:
            yield daemon


@contextmanager
def session() -> Iterator[Daemon]:
    """An unprivileged user's daemon."""
    with _folder() as folder:
        run = folder / "run"
        run.mkdir()
        os.chown(run, NOBODY, NOBODY)
        os.chown(folder, NOBODY, NOBODY)
        (folder / "config").write_text("")
        places = ("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME")
        environment = dict.fromkeys(places, str(run))
        user = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")
        socket = run / "libvirt" / "libvirt-sock"
        with _started(folder, socket, "qemu:///session", "", environment, *user) as daemon:
            yield daemon
