"""Kill QEMU when the harness dies, however it dies. Run as ``python -I -S`` with GUESTS and ROOT.

The harness holds the other end of our standard input. End of file without the word ``done`` means
that it is gone: every QEMU that is provably the driver's is then killed, through a pidfd opened
before that was proven, so that no other process can be hit. libvirt's AUTODESTROY does the same,
but the embedded driver refuses it.

We hold the lock of the driver's directory, too, and so keep the next driver out until we have
ended: what that one starts there, and QEMU asked for its capabilities, must not be killed by us.

Two things prove it, and no path in a command line does: the record that the driver wrote when QEMU
connected, in the form that the runtime's engines have theirs (pid, start, boot, namespaces); and,
of one that had not connected yet, the lock that it holds on libvirt's pid file, whose owner the
kernel names. libvirt takes that lock before it executes QEMU and leaves it to it (``virExec``).
"""

import contextlib
import fcntl
import glob
import json
import os
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

_LAST_START_S = 3.0  # a QEMU that was being started when the harness died may appear this late
_FLOCK = struct.Struct("hhqqi4x")  # struct flock with 64-bit offsets, of every 64-bit Linux


def identity(pid: int) -> dict[str, Any]:
    """What tells the process from every other: its pid here, start, boot and namespaces."""
    return {
        "pid": pid,
        "started": start_time(pid),
        "boot_id": _boot_id(),
        "pid_namespace": _namespace("self", "pid"),
        "mount_namespace": _namespace(pid, "mnt"),
    }


def fate(record: dict[str, Any]) -> str:
    """What became of the process that a record identifies: lives, ended, or elsewhere.

    The last where nobody here can tell: it was recorded in another pid namespace, or lives in
    another mount namespace than the one it was seen in.
    """
    if record.get("boot_id") != _boot_id():
        return "ended"
    if record.get("pid_namespace") != _namespace("self", "pid"):
        return "elsewhere"
    started = start_time(record["pid"])
    if started is None or started != record.get("started"):
        return "ended"
    known, mount = record.get("mount_namespace"), _namespace(record["pid"], "mnt")
    return "elsewhere" if known and mount and known != mount else "lives"


def records(guests: str) -> dict[str, dict[str, Any]]:
    """The records of guests in a directory, by the guest's name; unreadable ones are left out."""
    found = {}
    for path in glob.glob(f"{glob.escape(guests)}/*.json"):  # noqa: PTH207  # this process stays small
        with contextlib.suppress(OSError, ValueError), open(path, "rb") as file:  # noqa: PTH123
            record = json.load(file)
            if isinstance(record, dict) and isinstance(record.get("pid"), int):
                found[os.path.basename(path).removesuffix(".json")] = record  # noqa: PTH119
    return found


def find(guests: str, root: str) -> Iterator[tuple[int, Callable[[], bool]]]:
    """Pid of every QEMU that is the driver's, and how to prove it once more.

    Args:
        guests: directory of the guests' records.
        root: of libvirt's embedded driver.
    """
    seen = set()
    for record in records(guests).values():
        if fate(record) == "lives":
            seen.add(record["pid"])
            yield record["pid"], lambda record=record: fate(record) == "lives"  # type: ignore[misc]
    for pattern in ("run/qemu/*.pid", "lib/qemu/qmp-*/qmp.pid"):
        for path in glob.glob(f"{glob.escape(root)}/{pattern}"):  # noqa: PTH207  # likewise
            pid = holder(path)
            if pid and pid not in seen and pid != os.getpid() and not path.endswith("/driver.pid"):
                seen.add(pid)
                yield pid, lambda pid=pid, path=path: holder(path) == pid  # type: ignore[misc]


def holder(path: str) -> int:
    """Pid of the process that a pid file belongs to, 0 where that cannot be told.

    It holds a lock on the file; or, as the QEMU that libvirt asks what QEMU can do, it was told to
    write this very file, whose directory has a random name.
    """
    wanted = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # likewise
            kind, *_, pid = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, wanted))
            if kind != fcntl.F_UNLCK and pid > 0:
                return int(pid)
            number = int(file.read(32))
        with open(f"/proc/{number}/cmdline", "rb") as file:  # noqa: PTH123  # likewise
            return number if path.encode() in file.read().split(b"\0") else 0
    except (OSError, ValueError):
        return 0


def kill_all(guests: str, root: str) -> list[int]:
    """Kill every QEMU that is the driver's; their pids."""
    killed = []
    for pid, proven in find(guests, root):
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            continue
        with contextlib.suppress(ProcessLookupError):
            if proven():  # asked with the pidfd open: the number can no longer become another's
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                killed.append(pid)
        os.close(pidfd)
    return killed


def main(guests: str, root: str) -> None:
    """Wait for the harness's end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    said = b""
    while chunk := os.read(0, 64):
        said += chunk
    if said.endswith(b"done"):
        return
    until = time.monotonic() + _LAST_START_S
    while time.monotonic() < until:
        kill_all(guests, root)
        time.sleep(0.2)


def start_time(pid: int) -> int | None:
    """Start in clock ticks since boot (proc_pid_stat(5)); None where it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  # likewise
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in b"ZX" else int(fields[19])


def _boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:  # noqa: PTH123  # likewise
        return file.read().strip()


def _namespace(pid: int | str, kind: str) -> str | None:
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/{kind}")  # noqa: PTH115  # likewise
    return None


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
