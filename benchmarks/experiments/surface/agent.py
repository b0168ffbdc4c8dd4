"""The surface's agent: does some of everything a program does, or tries every system call.

Like the probes' agent it runs as ``python3 -I -S -c SOURCE`` and stands alone.
"""

# pathlib takes longer to import than the whole agent takes to run:
# ruff: noqa: PTH102, PTH104, PTH106, PTH108, PTH116, PTH123, PTH208
from __future__ import annotations

import errno
import os
import signal
import sys
import time

TYPE_CHECKING = False  # typing is not imported: it would be the agent's most expensive module
if TYPE_CHECKING:
    from typing import Any

MARK = 0x7A7E0000
BEGIN, END = MARK | 0xFFFE, MARK | 0xFFFF
ANSWER_SECONDS = 0.3


def mark(number: int) -> None:
    """Make a call that the host's trace shows and that does nothing: close(2) what is not open."""
    try:  # noqa: SIM105  # contextlib would be one more import
        os.close(number)
    except OSError:
        pass


def read_files() -> None:
    """Read what every program reads."""
    for path in ("/etc/passwd", "/etc/hosts", "/proc/self/status", "/proc/meminfo"):
        try:
            with open(path, "rb") as file:
                file.read()
        except OSError:
            continue
    os.listdir("/usr/bin")
    os.stat("/usr/bin/env")


def write_files() -> None:
    """Write a file, sync it, rename it and remove it."""
    name = "/tmp/tare-surface-" + str(os.getpid())  # noqa: S108  # removed again at once
    with open(name, "wb") as file:
        file.write(bytes(1 << 18))
        file.flush()
        os.fsync(file.fileno())
    os.rename(name, name + ".new")
    os.truncate(name + ".new", 10)
    os.unlink(name + ".new")
    os.mkdir(name)
    os.rmdir(name)


def use_memory() -> None:
    """Take memory and give it back."""
    for size in (1 << 16, 1 << 22, 1 << 24):
        held = bytearray(size)
        held[:: 1 << 12] = b"\1" * (size >> 12)
        del held


def use_processes() -> None:
    """Fork, talk through a pipe, start a program, handle a signal."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"x")
        os._exit(0)
    os.read(reading, 1)
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    os.kill(os.getpid(), signal.SIGUSR1)
    os.sched_yield()


def use_threads() -> None:
    """Run a thread and wait for it."""
    import _thread

    done = _thread.allocate_lock()
    done.acquire()
    _thread.start_new_thread(done.release, ())
    done.acquire()


def use_network() -> None:
    """Talk over a pair of sockets and over the loopback link."""
    import _socket
    import select

    one, two = _socket.socketpair()
    one.send(b"x")
    two.recv(1)
    one.close()
    two.close()
    receiver = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    sender = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    sender.sendto(b"x", receiver.getsockname())
    select.select([receiver], [], [], 1)
    receiver.recv(1)
    receiver.close()
    sender.close()


def use_clocks() -> None:
    """Read clocks, sleep, and ask for randomness."""
    for _ in range(10):
        time.monotonic()
        time.time()
    time.sleep(0.01)
    os.urandom(64)
    os.times()


WORK = (read_files, write_files, use_memory, use_processes, use_threads, use_network, use_clocks)
ROUNDS = 3


def everyday() -> list[str]:
    """Do it all, between two marks; return the names of what could be done."""
    done = []
    mark(BEGIN)
    for work in WORK * ROUNDS:
        try:
            work()
        except (OSError, ImportError):
            continue
        done.append(work.__name__)
    mark(END)
    return done


def status() -> dict[str, str]:
    """Read what the kernel says of this process's privileges."""
    found = {}
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name.startswith(("Cap", "Seccomp", "NoNewPrivs")):
                found[name] = value.strip()
    return found


def attempt(number: int, arguments: list[int], libc: Any, answer_to: int) -> None:
    """Make one call in this process, a mark just before it, and say what came; never returns."""
    import ctypes

    os.setsid()
    signal.setitimer(signal.ITIMER_REAL, ANSWER_SECONDS)
    me = os.getpid()
    call, close = libc.syscall, libc.close
    made = [ctypes.c_long(argument) for argument in (number, *arguments)]
    sign = ctypes.c_int(MARK | number)
    # Nothing between these two may need memory: the next call seen is to be the one tried.
    close(sign)
    result = call(*made)
    if os.getpid() != me:  # a fork that was let through
        os._exit(0)
    found = ctypes.get_errno() if result == -1 else 0
    os.write(answer_to, (errno.errorcode.get(found, str(found)) if found else "0").encode())
    os._exit(0)


def scan(calls: list[tuple[int, list[int]]]) -> dict[str, str]:
    """Try each call in a child of its own: success, a signal or a hang harm nobody.

    Returns:
        Number to the error's name, ``0`` for success, ``SIG`` and a number for a death by signal,
        or ``EXIT`` where it ended its process.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    leave_no_cores()
    answers = {}
    for number, arguments in calls:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                attempt(number, arguments, libc, writing)
            finally:
                os._exit(99)
        os.close(writing)
        _, ended = os.waitpid(child, 0)
        answer = os.read(reading, 64).decode() if readable(reading) else ""
        os.close(reading)
        if not answer:
            answer = "SIG" + str(os.WTERMSIG(ended)) if os.WIFSIGNALED(ended) else "EXIT"
        answers[str(number)] = answer
    return answers


def leave_no_cores() -> None:
    """Some calls kill their caller; that is no reason to write its memory down."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        return


def readable(descriptor: int) -> bool:
    """Whether there is something to read, or nobody left to write."""
    import select

    return bool(select.select([descriptor], [], [], 0)[0])


def main(calls: list[tuple[int, list[int]]]) -> None:
    """Do the everyday work, or scan if calls are given, and print one JSON document."""
    document: dict[str, object] = {"status": status()}
    document["answers" if calls else "done"] = scan(calls) if calls else everyday()
    import json

    sys.stdout.write(json.dumps(document) + "\n")
