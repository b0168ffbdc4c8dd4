"""The sweep's agent: reads the files it is told of, or holds things for a moment.

Like the probes' agent it runs as ``python3 -I -S -c SOURCE`` and stands alone. It runs on both
sides, so both read alike and a file that wedges its reader wedges a process that can be killed,
never the harness. It opens for reading only, reads a bounded part, and decides nothing.
"""

# pathlib takes longer to import than the whole agent takes to run:
# ruff: noqa: PTH123
from __future__ import annotations

import errno
import os
import signal
import sys
import time

TYPE_CHECKING = False  # typing is not imported: it would be the agent's most expensive module
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

MOST_BYTES = 8192
TICK_SECONDS = 0.5
LONGEST_HOLD_SECONDS = 60
_F_OFD_SETLK, _F_WRLCK = 37, 1


class Watch:
    """Interrupts a read that is still the same one after a whole tick.

    One repeating timer for all files: two more system calls for each would double the time.
    """

    def __init__(self, deadline: float) -> None:
        self.place = -1
        self.deadline = deadline
        self._seen = -1
        signal.signal(signal.SIGALRM, self._tick)
        signal.setitimer(signal.ITIMER_REAL, TICK_SECONDS, TICK_SECONDS)

    def _tick(self, _number: int, _frame: FrameType | None) -> None:
        if self.place >= 0 and self.place == self._seen:
            raise TimeoutError
        self._seen = self.place

    def late(self) -> bool:
        """Whether the time for all files is used up."""
        return time.monotonic() > self.deadline


def read_one(path: str) -> str:
    """Read the beginning of a file.

    Returns:
        One line: ``T`` and the escaped text, or ``N`` where /dev/null lies over it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        data = b""
        while len(data) < MOST_BYTES:
            try:
                chunk = os.read(descriptor, MOST_BYTES - len(data))
            except BlockingIOError:
                break
            if not chunk:
                break
            data += chunk
        if not data and os.fstat(descriptor).st_rdev == os.makedev(1, 3):
            return "N"
    finally:
        os.close(descriptor)
    return "T" + data.decode("latin-1").encode("unicode_escape").decode("ascii")


def paths_of(listing: str) -> Iterator[str]:
    """Expand a listing: a line with a slash is a directory, others are names in the last one."""
    folder = ""
    for line in listing.split("\n"):
        if line.startswith("/"):
            folder = line
        elif line:
            yield folder + "/" + line


def masks() -> Iterator[str]:
    """Name what is mounted below /proc and /sys, as ``M type path``."""
    try:
        with open("/proc/self/mountinfo", encoding="latin-1") as file:
            lines = file.readlines()
    except OSError:
        return  # without /proc there is nothing below it either
    for line in lines:
        left, _, right = line.partition(" - ")
        place = left.split(" ")[4]
        if place.startswith(("/proc/", "/sys/")):
            yield "M " + right.split(" ")[0] + " " + place


def read_all(seconds: float) -> None:
    """Read what standard input lists; print one line a file, in the same order."""
    began = time.monotonic()
    watch = Watch(began + seconds)
    lines = []
    for path in paths_of(sys.stdin.read()):
        watch.place += 1
        if watch.late():
            lines.append("Xthe time for all files was used up before it was read")
            continue
        try:
            line = read_one(path)
        except TimeoutError:
            line = "Xreading it took too long and was given up"
        except OSError as error:
            line = "E" + errno.errorcode.get(error.errno or 0, str(error.errno))
        lines.append(line)
    signal.setitimer(signal.ITIMER_REAL, 0)
    lines[:0] = ["sweep", *masks()]
    lines.append("end " + str(len(lines)) + " " + str(time.monotonic() - began))
    sys.stdout.write("\n".join(lines) + "\n")


def allocate(amount: int) -> object:
    """Take so many MiB, every page written to."""
    return b"\1" * (amount << 20)


def lock(amount: int) -> object:
    """Lock so many bytes of an unnamed file, each for itself.

    Locks of an open file description: they belong to no process, so that no pid namespace hides
    them (fs/locks.c).
    """
    import fcntl

    descriptor = os.memfd_create("tare-sweep")
    os.ftruncate(descriptor, 2 * amount)
    for place in range(amount):
        # struct flock: type, whence, padding, start, length, pid, padding
        wanted = _F_WRLCK.to_bytes(2, "little") + bytes(6) + (2 * place).to_bytes(8, "little")
        wanted += (1).to_bytes(8, "little") + bytes(8)
        fcntl.fcntl(descriptor, _F_OFD_SETLK, wanted)
    return descriptor


def fork(amount: int) -> object:
    """Make so many processes; each ends when this one does, since that closes their pipe."""
    reading, writing = os.pipe()
    for _ in range(amount):
        if os.fork() == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    return reading, writing


def open_files(amount: int) -> object:
    """Open so many unnamed files."""
    return [os.memfd_create("tare-sweep") for _ in range(amount)]


ACTS = {"allocate": allocate, "lock": lock, "fork": fork, "open": open_files}


def release(held: object) -> None:
    """Let go of what an act returned: close it, and wait for processes whose pipe that was."""
    for descriptor in held if isinstance(held, (list, tuple)) else [held]:
        if isinstance(descriptor, int):
            os.close(descriptor)
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


def act(name: str, amount: int, seconds: float) -> None:
    """Hold something, say so, and let go; with ``seconds``, a pause of that length, and again.

    Without ``seconds`` it is held until standard input ends. Whatever happens to the harness, the
    process ends by itself.
    """
    signal.alarm(LONGEST_HOLD_SECONDS)
    for last in (False, True):
        held = ACTS[name](amount)
        sys.stdout.write("holding\n")
        sys.stdout.flush()
        if not seconds:
            sys.stdin.read()
            break
        time.sleep(seconds)
        release(held)
        del held
        if not last:
            time.sleep(seconds)
    os._exit(0)
