"""An aggressor and a victim: one works hard in some slots of a timetable, the other in all.

Like the probes' agent it runs as ``python3 -I -S -c SOURCE`` and stands alone. What an aggressor
does is bounded by the agent itself: in time by the timetable and an alarm in every process of it,
in amount by the numbers below. Nothing goes further than the loopback link of its own network
namespace, and nothing is written but one small file that is removed.
"""

# pathlib takes longer to import than the whole agent takes to run:
# ruff: noqa: PTH108
from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False  # typing is not imported: it would be the agent's most expensive module
if TYPE_CHECKING:
    from collections.abc import Callable

SPINNERS = 4
MEMORY_MIB = 32
MEMORY_PROCESSES = 3
MOST_CHILDREN = 32
WRITTEN_BYTES = 4 << 20
PACKET_BYTES = 1024
AGGRESSOR_FILE, VICTIM_FILE = "/usr/bin/redis-check-rdb", "/usr/bin/redis-check-aof"
"""Files of the image that are large, and that no workload executes."""
BLOCK = 1 << 16
GRACE_SECONDS = 5


def sleep_until(moment: float) -> None:
    """Wait for a moment of the wall clock."""
    left = moment - time.time()
    if left > 0:
        time.sleep(left)


def opened(path: str) -> tuple[int, int]:
    """Open a file without reading ahead; return it and how many blocks it has."""
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
    return descriptor, os.fstat(descriptor).st_size // BLOCK


def read_from_disk(descriptor: int, blocks: int, place: int) -> None:
    """Read a block that is not in memory."""
    begin = place % blocks * BLOCK
    os.posix_fadvise(descriptor, begin, BLOCK, os.POSIX_FADV_DONTNEED)
    os.pread(descriptor, BLOCK, begin)


# --- aggressors: each returns what to do until a moment -----------------------------------------


def use_cpu() -> Callable[[float], None]:
    """Go round an endless loop."""

    def work(until: float) -> None:
        while time.time() < until:
            sum(range(500))

    return work


def use_memory() -> Callable[[float], None]:
    """Write to memory from end to end, larger than any cache."""
    one, two = bytearray(MEMORY_MIB << 19), bytearray(MEMORY_MIB << 19)

    def work(until: float) -> None:
        while time.time() < until:
            one[:] = two

    return work


def use_processes() -> Callable[[float], None]:
    """Make processes as fast as they go, never more than a few at a time."""

    def work(until: float) -> None:
        living = 0
        while time.time() < until:
            if living >= MOST_CHILDREN:
                os.wait()
                living -= 1
            if os.fork() == 0:
                os._exit(0)
            living += 1
        while living:
            os.wait()
            living -= 1

    return work


def use_disk() -> Callable[[float], None]:
    """Write a small file and sync it, and read from the disk."""
    name = "/tmp/tare-aggressor-" + str(os.getpid())  # noqa: S108  # removed at once, by its name
    writing = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink(name)
    descriptor, blocks = opened(AGGRESSOR_FILE)
    data = bytes(BLOCK)

    def work(until: float) -> None:
        place = 0
        while time.time() < until:
            os.pwrite(writing, data, place * BLOCK % WRITTEN_BYTES)
            os.fsync(writing)
            read_from_disk(descriptor, blocks, place)
            place += 1

    return work


def send_packets() -> Callable[[float], None]:
    """Send to a socket of its own that nobody reads: the kernel does all the work and drops it."""
    import _socket

    sink = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    target, data = sink.getsockname(), bytes(PACKET_BYTES)
    source = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)

    def work(until: float, _kept_open: object = sink) -> None:
        while time.time() < until:
            for _ in range(20):
                source.sendto(data, target)

    return work


def receive_packets() -> Callable[[float], None]:
    """Send to itself and receive all of it."""
    import _socket

    sink = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    target, data = sink.getsockname(), bytes(PACKET_BYTES)
    source = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)

    def work(until: float) -> None:
        while time.time() < until:
            for _ in range(10):
                source.sendto(data, target)
            for _ in range(10):
                sink.recv(2048)

    return work


AGGRESSORS: dict[str, tuple[int, Callable[[], Callable[[float], None]]]] = {
    "cpu": (SPINNERS, use_cpu),
    "memory": (MEMORY_PROCESSES, use_memory),
    "fork": (1, use_processes),
    "disk": (2, use_disk),
    "net-send": (2, send_packets),
    "net-receive": (2, receive_packets),
}
"""Name to how many processes do it, and what each does."""


# --- victims: each returns one piece of work ----------------------------------------------------


def compute() -> Callable[[], None]:
    """Add numbers."""

    def once() -> None:
        sum(range(2000))

    return once


def copy_memory() -> Callable[[], None]:
    """Copy a MiB."""
    one, two = bytearray(1 << 20), bytearray(1 << 20)

    def once() -> None:
        one[:] = two

    return once


def read_disk() -> Callable[[], None]:
    """Read 64 KiB that are not in memory."""
    descriptor, blocks = opened(VICTIM_FILE)
    place = [0]

    def once() -> None:
        place[0] += 1
        read_from_disk(descriptor, blocks, place[0])

    return once


def ask_and_answer() -> Callable[[], None]:
    """Send a packet over the loopback link and receive it."""
    import _socket

    receiver = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    sender = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    target = receiver.getsockname()

    def once() -> None:
        sender.sendto(b"x" * 64, target)
        receiver.recv(128)

    return once


VICTIMS: dict[str, Callable[[], Callable[[], None]]] = {
    "cpu": compute,
    "memory": copy_memory,
    "disk": read_disk,
    "net": ask_and_answer,
}


def attack(name: str, start: float, slot: float, busy: list[int]) -> str:
    """Work in the slots marked 1, in as many processes as the aggressor has."""
    count, make = AGGRESSORS[name]
    signal.alarm(int(start - time.time() + len(busy) * slot) + GRACE_SECONDS)
    if time.time() > start:
        return "late"
    children: list[int] = []
    first = True
    for _ in range(count - 1):
        child = os.fork()
        if child == 0:
            # An alarm is not inherited (fork(2)).
            signal.alarm(int(start - time.time() + len(busy) * slot) + GRACE_SECONDS)
            first = False
            break
        children.append(child)
    work = make()
    for place, on in enumerate(busy):
        sleep_until(start + place * slot)
        if on:
            work(start + (place + 1) * slot)
    if not first:
        os._exit(0)
    for child in children:
        os.waitpid(child, 0)
    return "attacked"


def endure(name: str, start: float, slot: float, slots: int, guard: float) -> str:
    """Work in every slot but its guarded ends; return the pieces done a second in each."""
    once = VICTIMS[name]()
    signal.alarm(int(start - time.time() + slots * slot) + GRACE_SECONDS)
    if time.time() > start:
        return "late"
    rates = []
    for place in range(slots):
        sleep_until(start + place * slot + guard)
        began, until, done = time.time(), start + (place + 1) * slot - guard, 0
        while time.time() < until:
            once()
            done += 1
        rates.append(str(done / max(time.time() - began, 1e-9)))
    return " ".join(rates)


def main(role: Callable[..., str], *arguments: object) -> None:
    """Play a role and say what came of it."""
    sys.stdout.write(role(*arguments) + "\n")
