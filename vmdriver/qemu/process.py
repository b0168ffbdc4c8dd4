"""Name a process of the host beyond doubt: its end, how it ended, its CPU time."""

import contextlib
import fcntl
import os
import select
import signal
import struct
import time
from dataclasses import dataclass
from pathlib import Path

_CPUCLOCK_SCHED = 2
_PIDFD_INFO = struct.Struct("=Q52xi")  # struct pidfd_info: the mask first, the exit code last
_PIDFD_INFO_EXIT = 1 << 3
_PIDFD_GET_INFO = 3 << 30 | _PIDFD_INFO.size << 16 | 0xFF << 8 | 11  # _IOWR(0xFF, 11, …)


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
        """Open the process ``pid``. Raises ProcessLookupError when it has been reaped."""
        return cls(pid, os.pidfd_open(pid))

    def ended(self, timeout_s: float = 0.0) -> bool:
        """Whether it has ended, waiting at most ``timeout_s`` seconds for it."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(max(0, round(timeout_s * 1000))))

    def kill(self) -> None:
        """Send SIGKILL, to this process or to none."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def reap(self) -> str | None:
        """Reap it if it is our child and has ended; how it ended, in words, or None."""
        try:
            result = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            return None
        if result is None:
            return None
        if result.si_code == os.CLD_EXITED:
            return f"exit status {result.si_status}"
        return f"signal {signal.Signals(result.si_status).name}"

    def exit_status_of_another_child(self) -> str | None:
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
        """Close the pidfd; the process stays as it is."""
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


def queued_s(pid: int) -> float:
    """Seconds that its threads were runnable and did not run (Linux ``scheduler/sched-stats``)."""
    queued = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):  # ended meanwhile, or a kernel without them
            queued += int(path.read_text().split()[1])
    return queued / 1e9


def _in_words(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
