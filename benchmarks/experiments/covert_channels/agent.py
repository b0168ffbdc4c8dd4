"""Both ends of a covert channel: one acts by a timetable, the other looks by it.

Like the probes' agent it runs as ``python3 -I -S -c SOURCE`` and stands alone. Both ends are the
host's owner's own instances; nothing leaves them but what they see of each other. Every act ends
with its slot, and every end with its timetable.
"""

# pathlib takes longer to import than the whole agent takes to run:
# ruff: noqa: PTH116
from __future__ import annotations

import errno
import os
import sys
import time

TYPE_CHECKING = False  # typing is not imported: it would be the agent's most expensive module
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MEMORY_MIB = 32
SPINNERS = 3
FORKS = 15
NAMES = 200
FILES = 150
LOCKS, PAGES = 48, 32
"""Bits carried side by side; a look at them has to be exact as a float."""
LOCK_BASE, LOCK_STEP = 7_000_000, 10
PAGE_STRIDE = 1 << 16
SHARED_FILE = "/usr/bin/redis-check-aof"
"""A file of the image that is large, and that no workload and no test executes."""


CLOSING = ("EPERM", "EACCES", "ENOENT", "ENOTDIR", "ENXIO", "ENODEV", "ENOSYS", "EOPNOTSUPP")
"""Refused, or absent."""


class ClosedError(Exception):
    """The source this end needs is kept from it."""


def sleep_until(moment: float) -> None:
    """Wait for a moment of the wall clock."""
    left = moment - time.time()
    if left > 0:
        time.sleep(left)


def spin_until(moment: float) -> None:
    """Use the CPU until a moment."""
    while time.time() < moment:
        pass


# --- acts: one end ---------------------------------------------------------------------------


def act_memory() -> Callable[[int, float], None]:
    """Hold memory, every page of it, in the slots of ones."""
    import mmap

    held: list[Any] = []

    def act(on: int, _until: float) -> None:
        if on and not held:  # an end that cannot keep up passes over slots: never twice
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
            held.append(mmap.mmap(-1, MEMORY_MIB << 20, flags=flags))
        elif held and not on:
            held.pop().close()

    return act


def act_cpu() -> Callable[[int, float], None]:
    """Use the CPU in the slots of ones."""

    def act(on: int, until: float) -> None:
        if on:
            spin_until(until)

    return act


def act_fork() -> Callable[[int, float], None]:
    """Make processes that end at once."""

    def act(on: int, until: float) -> None:
        for _ in range(FORKS * on):
            if time.time() > until:
                break
            child = os.fork()
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)

    return act


def act_names() -> Callable[[int, float], None]:
    """Ask for names that do not exist: the kernel remembers each in a directory entry."""
    asked = [0]

    def act(on: int, until: float) -> None:
        for _ in range(NAMES * on):
            if time.time() > until:
                break
            asked[0] += 1
            try:
                os.stat("/usr/share/tare-" + str(os.getpid()) + "-" + str(asked[0]))
            except OSError:
                continue

    return act


def act_files() -> Callable[[int, float], None]:
    """Hold unnamed files open."""
    held: list[int] = []

    def act(on: int, _until: float) -> None:
        if on and not held:
            held.extend(os.memfd_create("tare-channel") for _ in range(FILES))
        while held and not on:
            os.close(held.pop())

    return act


def act_locks() -> Callable[[int, float], None]:
    """Hold the locks whose bits are set: of an open file, since those no namespace hides."""
    import fcntl

    set_lock, write_lock, unlock = 37, 1, 2  # F_OFD_SETLK, F_WRLCK, F_UNLCK
    descriptor = os.memfd_create("tare-channel")
    before = [0]

    def change(place: int, kind: int) -> None:
        start = LOCK_BASE + LOCK_STEP * place
        wanted = kind.to_bytes(2, "little") + bytes(6) + start.to_bytes(8, "little")
        fcntl.fcntl(descriptor, set_lock, wanted + (1).to_bytes(8, "little") + bytes(8))

    def act(mask: int, _until: float) -> None:
        changed = mask ^ before[0]
        for place in range(LOCKS):
            if changed >> place & 1:
                change(place, write_lock if mask >> place & 1 else unlock)
        before[0] = mask

    return act


def act_pages() -> Callable[[int, float], None]:
    """Have the pages whose bits are set in the page cache, and the others not."""
    descriptor = open_shared()

    def act(mask: int, _until: float) -> None:
        for place in range(PAGES):
            if mask >> place & 1:
                os.pread(descriptor, 1, place * PAGE_STRIDE)
            else:
                evict(descriptor, place)

    return act


def closed_by(error: OSError, path: str) -> Exception:
    """Say that a source is kept from this end; any other error says nothing, and is itself."""
    name = errno.errorcode.get(error.errno or 0, str(error.errno))
    return ClosedError(name + " " + path) if name in CLOSING else error


def open_shared() -> int:
    """Open the file that both ends have from the same lower layer, without reading ahead.

    All of it is dropped from the cache first: what was once read as one large folio would go from
    it only as a whole.
    """
    try:
        descriptor = os.open(SHARED_FILE, os.O_RDONLY)
        if os.fstat(descriptor).st_size < (PAGES + 1) * PAGE_STRIDE:
            raise ClosedError(SHARED_FILE + " is too small")
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    except OSError as error:
        raise closed_by(error, SHARED_FILE) from error
    return descriptor


def read_time(descriptor: int, place: int) -> float:
    """Return the seconds that reading a page takes."""
    began = time.perf_counter()
    os.pread(descriptor, 1, place * PAGE_STRIDE)
    return time.perf_counter() - began


def evict(descriptor: int, place: int) -> None:
    """Ask the kernel to drop a page from its cache."""
    os.posix_fadvise(descriptor, place * PAGE_STRIDE, 4096, os.POSIX_FADV_DONTNEED)


# --- looks: the other end --------------------------------------------------------------------


def opened(path: str, *, may_be_empty: bool = False) -> int:
    """Open a file of the kernel's, or say why it is closed."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        if os.fstat(descriptor).st_rdev == os.makedev(1, 3):
            raise ClosedError("masked " + path)
        if not may_be_empty and not os.pread(descriptor, 64, 0):
            raise ClosedError("empty " + path)
    except OSError as error:
        raise closed_by(error, path) from error
    return descriptor


def look_field(path: str, before: str) -> Callable[[float], float]:
    """Read the number that follows a word in a file."""
    descriptor = opened(path)
    word = before.encode()

    def look(_length: float) -> float:
        text = os.pread(descriptor, 16384, 0)
        place = text.find(word)
        return float(text[place + len(word) :].split(None, 1)[0])

    return look


def look_cpu() -> Callable[[float], float]:
    """See how slowly an endless loop goes round."""

    def look(length: float) -> float:
        began = time.time()
        rounds = 0
        while True:
            rounds += 1
            now = time.time()
            if now - began >= length:
                return -rounds / (now - began)

    return look


def look_locks() -> Callable[[float], float]:
    """See which of the locks are held."""
    descriptor = opened("/proc/locks", may_be_empty=True)

    def look(_length: float) -> float:
        text, part = b"", b"x"
        os.lseek(descriptor, 0, os.SEEK_SET)
        while part:
            part = os.read(descriptor, 65536)
            text += part
        mask = 0
        for line in text.splitlines():
            start = line.rsplit(b" ", 2)[-2]
            place, rest = divmod(int(start) - LOCK_BASE, LOCK_STEP)
            if 0 <= place < LOCKS and not rest:
                mask |= 1 << place
        return mask

    return look


def look_pages() -> Callable[[float], float]:
    """See which pages are in the cache by the time each takes, and drop them again."""
    descriptor = open_shared()
    spare = PAGES  # a page that carries no bit shows what either case takes
    absent, present = [], []
    for _ in range(9):
        evict(descriptor, spare)
        absent.append(read_time(descriptor, spare))
        present.append(read_time(descriptor, spare))
    limit = (sorted(absent)[4] * sorted(present)[4]) ** 0.5

    def look(_length: float) -> float:
        mask = 0
        for place in range(PAGES):
            if read_time(descriptor, place) < limit:
                mask |= 1 << place
            evict(descriptor, place)
        return mask

    return look


ACTS: dict[str, Callable[[], Callable[[int, float], None]]] = {
    "locks": act_locks,
    "meminfo": act_memory,
    "pressure": act_cpu,
    "page-cache": act_pages,
    "forks": act_fork,
    "dentries": act_names,
    "inodes": act_files,
    "cpu": act_cpu,
}
LOOKS: dict[str, Callable[[], Callable[[float], float]]] = {
    "locks": look_locks,
    "meminfo": lambda: look_field("/proc/meminfo", "AnonPages:"),
    "pressure": lambda: look_field("/proc/pressure/cpu", "total="),
    "page-cache": look_pages,
    "forks": lambda: look_field("/proc/stat", "processes"),
    "dentries": lambda: look_field("/proc/sys/fs/dentry-state", ""),
    "inodes": lambda: look_field("/proc/sys/fs/inode-nr", ""),
    "cpu": look_cpu,
}


def send(channel: str, start: float, slot: float, levels: list[int]) -> None:
    """Act by the timetable: in each slot, what stands for it in ``levels``."""
    act = ACTS[channel]()
    if time.time() > start:
        raise ClosedError("late")
    if channel == "pressure":
        # Pressure is waiting: it takes several that want one CPU. They end with the timetable.
        for _ in range(SPINNERS - 1):
            if os.fork() == 0:
                break
    for place, level in enumerate(levels):
        if time.time() > start + (place + 1) * slot:
            continue  # this slot is over: an end that cannot keep up must not run on
        sleep_until(start + place * slot)
        act(level, start + (place + 1) * slot)
    act(0, 0)


def receive(channel: str, start: float, slot: float, slots: int, looks: float) -> list[str]:
    """Look by the timetable; return a line a look: when, and what.

    Args:
        channel: Which.
        start: When the first slot begins, by this end's wall clock.
        slot: Length of a slot, seconds.
        slots: How many to look at.
        looks: Looks a slot; below 1, one look in each slot at that part of it.
    """
    look = LOOKS[channel]()
    if time.time() > start:
        raise ClosedError("late")
    seen = []
    if looks < 1:
        for place in range(slots):
            sleep_until(start + (place + looks) * slot)
            seen.append(repr(time.time()) + " " + str(look(0)))
        return seen
    sleep_until(start)
    end = start + slots * slot
    while time.time() < end:
        value = look(slot / looks)
        now = time.time()
        seen.append(repr(now) + " " + repr(value))
        if channel != "cpu":
            sleep_until(now + slot / looks)
    return seen


def main(role: Callable[..., list[str] | None], *arguments: Any) -> None:
    """Play a role and print what was seen; or why it could not be played."""
    try:
        lines = role(*arguments) or ["sent"]
    except ClosedError as error:
        lines = ["closed " + str(error)]
    sys.stdout.write("\n".join(lines) + "\n")
