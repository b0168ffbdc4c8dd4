"""QEMU as a process of the host: identity, end, CPU time."""

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_CPUCLOCK_SCHED = 2
_PIDFD_INFO = struct.Struct("=Q52xi")  # struct pidfd_info: the mask first, the exit code last
_PIDFD_INFO_EXIT = 1 << 3
_PIDFD_GET_INFO = 3 << 30 | _PIDFD_INFO.size << 16 | 0xFF << 8 | 11  # _IOWR(0xFF, 11, …)
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for another: its pidfd was opened while it was known.

    Attributes:
        pid: its number on the host.
        pidfd: readable once it has ended.
    """

    pid: int
    pidfd: int

    @classmethod
    def open(cls, pid: int) -> "Process":
        """Opens the process ``pid``. Raises ProcessLookupError when it has been reaped."""
        return cls(pid, os.pidfd_open(pid))

    def ended(self, timeout_s: float = 0.0) -> bool:
        """Whether it has ended, waiting at most ``timeout_s`` seconds for it."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(max(0, round(timeout_s * 1000))))

    def kill(self) -> None:
        """Sends SIGKILL, to this process or to none."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def reap(self) -> str | None:
        """Reaps it if it is our child and has ended; how it ended, in words, or None."""
        try:
            result = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            return None
        if result is None:
            return None
        if result.si_code == os.CLD_EXITED:
            return f"exit status {result.si_status}"
        return f"signal {signal.Signals(result.si_status).name}"

    def status_of_a_stranger(self) -> str | None:
        """How it ended, in words, where it was another's child; None where the kernel does not say.

        A zombie tells in field 52 of proc_pid_stat(5), where the pidfd still names it: its number
        may be another's by now. Of a reaped one, Linux 6.15 and later tell through the pidfd
        (``PIDFD_GET_INFO`` of linux/pidfd.h).
        """
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
            own = Path(f"/proc/self/fdinfo/{self.pidfd}").read_text()
        except OSError:
            fields, own = [], ""
        if fields[:1] == ["Z"] and f"Pid:\t{self.pid}\n" in own:
            return _in_words(int(fields[-1]))
        info = bytearray(_PIDFD_INFO.pack(_PIDFD_INFO_EXIT, 0))
        try:
            fcntl.ioctl(self.pidfd, _PIDFD_GET_INFO, info)
        except OSError:
            return None
        mask, status = _PIDFD_INFO.unpack(info)
        return _in_words(status) if mask & _PIDFD_INFO_EXIT else None

    def close(self) -> None:
        """Closes the pidfd; the process stays as it is."""
        os.close(self.pidfd)

    def arguments(self) -> list[str]:
        """Its command line."""
        return Path(f"/proc/{self.pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")

    def cpu_time_s(self) -> float:
        """CPU seconds of all its threads, ended ones included; see `cpu_time_s`."""
        return cpu_time_s(self.pid)


def cpu_time_s(pid: int) -> float:
    """CPU seconds of all threads of the process ``pid``, ended ones included. Raises OSError.

    The process's CPU clock has nanosecond resolution where ``/proc/PID/stat`` counts ticks of
    10 ms. Its number is made as ``clock_getcpuclockid(3)`` does in glibc.
    """
    return time.clock_gettime_ns(~pid << 3 | _CPUCLOCK_SCHED) / 1e9


def _in_words(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def adopt_orphans(*, adopt: bool) -> bool:
    """Makes this process the parent of its descendants' orphans (or no longer); the former state.

    libvirt detaches QEMU by a double fork. It believes QEMU alive until the host's first process
    has reaped it, which takes seconds on some hosts; as its parent we reap it at once and learn
    how it ended. ``PR_SET_CHILD_SUBREAPER``, prctl(2).
    """
    former = ctypes.c_int()
    _libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(former), 0, 0, 0)
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0)
    return bool(former.value)


@contextlib.contextmanager
def reaping_orphans(name: str) -> Iterator[None]:
    """Reaps adopted children whose name begins with ``name`` while the block runs.

    For the short-lived QEMUs that libvirt starts to learn what QEMU can do: it waits for each to
    vanish, and nobody but us could make it. libvirt's direct children, which it waits for itself,
    are in our session; what QEMU's ``-daemonize`` leaves has one of its own.
    """
    done = threading.Event()

    def reap() -> None:
        while not done.wait(0.01):
            reap_orphans(name)

    thread = threading.Thread(target=reap, name="reaper", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def reap_orphans(name: str) -> int:
    """Reaps adopted children that have ended and whose name begins with ``name``; how many."""
    dead = _dead_children(name)
    for pid in dead:
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
    return len(dead)


def _dead_children(name: str) -> list[int]:
    own = os.getpid()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # pid (comm) state ppid pgrp session …; comm may hold spaces and parentheses
            command, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        state, parent, _group, session = rest.split()[:4]
        adopted = int(parent) == own and int(session) != os.getsid(0)
        if state == "Z" and adopted and command.startswith(name):
            found.append(int(entry.name))
    return found
