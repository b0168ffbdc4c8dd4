"""Containers that take what they can: contained, named, deleted in time, and nobody is harmed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime import Resources, SetupError
from runtime.spec import profiles
from tests.framework import hanging_workload
from tests.integration.runtime.conftest import executed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image
    from runtime import Container, Engine, Spec

#: What deletion promises.
PROMISED_S = 5
LIMITS = Resources(memory_limit_bytes=64 << 20, pids_limit=64)
PACKAGES = str(Path(__file__).resolve().parents[3])
HANGING = Path(hanging_workload.__file__ or "").read_text()

#: Work of the host's own, which says so each time it is done: a process, files, memory, and one of
#: everything that is counted for its user.
CANARY = """
import ctypes, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
class Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("flags", "most", "size", "now", *"abcd")]
name = b"tare-canary-%d" % os.getpid()
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    for fd in (libc.inotify_init1(0), libc.eventfd(0, 0), *os.openpty(), *os.pipe(),
               os.memfd_create("canary")):
        assert fd >= 0, os.strerror(ctypes.get_errno())
        os.close(fd)
    queue = libc.syscall(240, name, os.O_CREAT | os.O_RDWR, 0o600,
                         ctypes.byref(Attributes(0, 10, 8192)))
    assert queue >= 0, os.strerror(ctypes.get_errno())
    os.close(queue)
    libc.syscall(241, name)
    assert len(bytes(16 << 20)) == 16 << 20
    print("alive", flush=True)
"""


class Canary:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def sing(self) -> bool:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline() == "alive\n"


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    command = [sys.executable, "-I", "-S", "-c", CANARY]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        bird = Canary(process)
        assert bird.sing()
        yield bird
        process.kill()


def running(spec: Spec, *args: str) -> Spec:
    return replace(spec, process=replace(spec.process, args=args))


def deleted(container: Container) -> None:
    begin = time.monotonic()
    container.delete()
    assert time.monotonic() - begin < PROMISED_S


@contextmanager
def attacking(engine: Engine, spec: Spec, program: str) -> Iterator[tuple[Container, str]]:
    """A container with this Python program, once it has said what became of it or has ended."""
    ours, theirs = os.pipe()
    process = ("python3", "-I", "-S", "-c", PRELUDE + program)
    container = engine.run(running(spec, *process), stdio=(theirs,) * 3)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        try:
            yield container, pipe.readline().strip()
        finally:
            deleted(container)


PRELUDE = """
import ctypes, os, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
class Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("flags", "most", "size", "now", *"abcd")]
def say(*what):
    print(*what, flush=True)
    time.sleep(1000)
def until_refused(take):
    taken = []
    try:
        while True:
            taken.append(take())
    except OSError as error:
        return len(taken), error.strerror, taken
def called(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def fill(path):
    block, size = b"x" * (1 << 20), 0
    with open(path, "wb", buffering=0) as file:
        try:
            while size < 256 << 20:
                size += file.write(block)
        except OSError as error:
            say(size >> 20, error.strerror)
"""

#: What a container takes until it is refused, and what it says then. "" is for those that the OOM
#: killer ends.
TAKEN = {
    "processes": (
        """
def fork():
    child = os.fork()
    if child == 0:
        time.sleep(1000)
    return child
say(*until_refused(fork)[:2])
""",
        "62 Resource temporarily unavailable",  # the init and the program are the others
    ),
    "memory": ("x = b'x' * (1 << 30)", ""),
    "the root's layer": ("fill('/big')", ""),
    "shared memory": ("fill('/dev/shm/big')", ""),
    "System V shared memory": (
        """
def segment():
    libc.shmat.restype = ctypes.c_void_p
    address = libc.shmat(called(libc.shmget(0, 16 << 20, 0o1600)), None, 0)
    ctypes.memset(address, 1, 16 << 20)
until_refused(segment)
""",
        "",
    ),
    "buffers of sockets": (
        """
def full():
    pair = socket.socketpair()
    pair[0].setblocking(False)
    try:
        while True:
            pair[0].send(b"x" * 65536)
    except BlockingIOError:
        return pair
say(*until_refused(full)[:2])
""",
        "",
    ),
    "buffers of pipes": (
        """
def full():
    pair = os.pipe()
    os.set_blocking(pair[1], False)
    try:
        while True:
            os.write(pair[1], b"x" * 65536)
    except BlockingIOError:
        return pair
say(*until_refused(full)[:2])
""",
        None,  # bounded for each user, or by the memory: whichever comes first
    ),
    "descriptors": ("say(*until_refused(lambda: os.dup(0))[1:2])", "Too many open files"),
    "inotify instances": (
        "say(*until_refused(lambda: called(libc.inotify_init1(0)))[1:2])",
        "Too many open files",
    ),
    "bytes of message queues": (
        """
names = iter(range(10**6))
def queue():
    return called(libc.syscall(240, b"q%d" % next(names), os.O_CREAT | os.O_RDWR, 0o600,
                               ctypes.byref(Attributes(0, 10, 8192))))
say(*until_refused(queue)[1:2])
""",
        "Too many open files",
    ),
    "terminals": ("say(*until_refused(os.openpty)[:2])", "1024 No space left on device"),
    "pending signals": (
        """
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMIN})
for _ in range(10**6):
    if libc.sigqueue(os.getpid(), signal.SIGRTMIN, ctypes.c_void_p(1)) < 0:
        say(os.strerror(ctypes.get_errno()))
""",
        "Resource temporarily unavailable",
    ),
}


@pytest.mark.parametrize("what", TAKEN)
def test_a_container_takes_no_more_than_its_own(
    engine: Engine, image: Image, canary: Canary, what: str
) -> None:
    program, expected = TAKEN[what]
    spec = profiles.default(rootfs=image.root, args=["x"], resources=LIMITS)
    with attacking(engine, spec, program) as (container, said):
        assert canary.sing()
        statistics = container.statistics()
        assert statistics is not None
        assert statistics.pids is not None
        assert statistics.memory is not None
        assert statistics.pids.current is not None
        assert statistics.memory.usage_bytes is not None
        assert LIMITS.pids_limit is not None
        assert LIMITS.memory_limit_bytes is not None
        assert statistics.pids.current <= LIMITS.pids_limit
        assert statistics.memory.usage_bytes <= LIMITS.memory_limit_bytes
        if not said:
            assert container.wait(PROMISED_S) == 128 + signal.SIGKILL
            assert container.oom_kills() > 0
        elif expected is not None:
            assert said == expected
        # another one is not worse off
        with engine.run(running(spec, "sleep", "100")) as other:
            program = "import os; os.openpty(); print(os.system('true'))"
            assert executed(other, "python3", "-I", "-c", program) == (0, "0\n")
    assert canary.sing()


@pytest.mark.parametrize("path", ["/dev/shm/big", "/dev/big"])
def test_file_systems_in_memory_are_bounded_without_a_limit(
    engine: Engine, image: Image, path: str
) -> None:
    spec = profiles.default(rootfs=image.root, args=["x"])
    with attacking(engine, spec, f"fill({path!r})") as (_, said):
        assert said == "64 No space left on device"


def test_the_root_s_layer_takes_half_the_memory_at_most(engine: Engine, image: Image) -> None:
    program = "status = os.statvfs('/'); say(status.f_blocks * status.f_frsize)"
    spec = profiles.default(rootfs=image.root, args=["x"])
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with attacking(engine, spec, program) as (_, said):
        assert int(said) <= memory // 2
    bounded = replace(spec, root=replace(spec.root, upper_size_bytes=8 << 20))
    with attacking(engine, bounded, "fill('/big')") as (_, said):
        assert said.endswith("No space left on device")
        assert int(said.split()[0]) <= 8


def test_keys_are_counted_apart_from_the_host_s(
    engine: Engine, image: Image, canary: Canary
) -> None:
    """The filter refuses keys; without it, what a container adds is not root's."""
    program = """
names = iter(range(10**6))
def key():
    return called(libc.syscall(248, b"user", b"k%d" % next(names), b"x" * 100, 100, -3))
say(*until_refused(key)[1:2])
"""
    spec = profiles.default(rootfs=image.root, args=["x"], resources=LIMITS)
    ours = "import ctypes; assert ctypes.CDLL(None).syscall(248, b'user', b'tare', b'x', 1, -2) > 0"
    with attacking(engine, profiles.without(spec, "seccomp"), program) as (_, said):
        assert said == "Disk quota exceeded"
        subprocess.run([sys.executable, "-I", "-S", "-c", ours], check=True)
        assert canary.sing()


def test_the_events_name_what_ran_out(engine: Engine, image: Image) -> None:
    spec = profiles.default(rootfs=image.root, args=["x"], resources=LIMITS)
    program = "sys.stdin.readline(); x = b'x' * (1 << 30)"
    ours, theirs = os.pipe()
    process = ("python3", "-I", "-S", "-c", PRELUDE + program)
    with engine.run(running(spec, *process), stdio=(ours, 1, 2)) as container:
        os.close(ours)
        os.write(theirs, b"\n")
        os.close(theirs)
        events = list(container.events(20))
    assert [event.kind for event in events] == ["oom", "exit"]
    assert events[-1].value == 128 + signal.SIGKILL


def test_a_fork_bomb_is_deleted_in_time(engine: Engine, image: Image, canary: Canary) -> None:
    spec = profiles.default(rootfs=image.root, args=["x"], resources=LIMITS)
    program = "while True:\n    try: os.fork()\n    except OSError: pass\n"
    for lacking in ("", "pid"):
        chosen = profiles.without(spec, lacking) if lacking else spec
        container = engine.run(
            running(chosen, "python3", "-I", "-S", "-c", f"import os\n{program}")
        )
        time.sleep(0.3)
        assert canary.sing()
        assert len(container.pids()) <= LIMITS.pids_limit  # type: ignore[operator]  # given above
        deleted(container)
        assert canary.sing()


def test_nothing_is_executed_in_a_full_container(engine: Engine, image: Image) -> None:
    spec = profiles.default(rootfs=image.root, args=["x"], resources=LIMITS)
    with attacking(engine, spec, TAKEN["processes"][0]) as (container, _):
        try:
            with container.exec(
                ["true"]
            ) as process:  # on cgroup v1 it is moved in, which is let be
                process.wait(PROMISED_S)
        except SetupError as error:
            assert "Resource temporarily unavailable" in str(error)  # noqa: PT017  # it may pass


def test_a_stopped_init_is_stopped_and_deleted(engine: Engine, spec: Spec) -> None:
    container = engine.run(spec)
    container.send_signal(signal.SIGSTOP)
    assert container.stop(0.2) == 128 + signal.SIGKILL
    assert container.forced
    deleted(container)
    container = engine.run(spec)
    container.send_signal(signal.SIGSTOP)
    deleted(container)


def test_a_stopped_start_can_be_deleted(engine: Engine, spec: Spec) -> None:
    """A container that was created and whose process somebody has stopped."""
    container = engine.create(spec)
    container.send_signal(signal.SIGSTOP)
    deleted(container)


def test_a_paused_container_is_deleted_in_time(engine: Engine, spec: Spec) -> None:
    container = engine.run(spec)
    container.pause()
    deleted(container)


def test_what_hangs_in_the_kernel_is_named_and_deleted_later(tmp_path: Path, image: Image) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGING, str(tmp_path), str(image.root)],
        cwd=PACKAGES, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    first, *rest = done.stdout.splitlines()
    assert "outlives SIGKILL; see /proc/PID/stack" in first
    assert rest == ["another ended with 0", "deleted at last"]
