"""Filters on a real kernel: learned from a workload, enforced, logged; and Podman's own profile."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime import SetupError, seccomp
from runtime.seccomp import learned, notifications
from runtime.seccomp.learn import Observed, Supervisor, notifier
from runtime.seccomp.learned import learned_profile
from tests.framework import load_filter
from tests.integration.runtime.conftest import output

if TYPE_CHECKING:
    from benchmarks.image import Image
    from runtime import Engine, Spec
    from runtime.seccomp import Filter, Profile

SHELL = (
    "/bin/busybox",
    "sh",
    "-c",
    "echo one | busybox cat; busybox ls / | busybox grep nothing-of-this; echo $((2+3))",
)
THREADS = """
import os, socket, threading
def work():
    socket.socket(socket.AF_UNIX).close()
for made in [threading.Thread(target=work) for _ in range(4)]:
    made.start()
    made.join()
pid = os.fork()
if pid == 0:
    os.getpriority(os.PRIO_PROCESS, 0)
    os._exit(0)
os.waitpid(pid, 0)
print(sum(range(1000)))
"""
PYTHON = ("/usr/bin/python3", "-I", "-S", "-c", THREADS)
SYSBENCH = (
    "/usr/bin/sysbench", "cpu", "--cpu-max-prime=100", "--events=20", "--threads=2", "run",
)  # fmt: skip
WORKLOADS = {"shell": SHELL, "python": PYTHON, "sysbench": SYSBENCH}


@dataclass(frozen=True)
class Place:
    root: Path
    folder: Path

    def start(self, compiled: Filter, argv: tuple[str, ...]) -> subprocess.Popen[str]:
        file = self.folder / "filter"
        file.write_bytes(compiled.program)
        command = [sys.executable, "-I", "-S", load_filter.__file__, str(self.root), str(file)]
        return subprocess.Popen(
            [*command, str(compiled.flags), *argv],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self, compiled: Filter, *argv: str) -> tuple[int, str]:
        with self.start(compiled, argv) as process:
            text, _ = process.communicate(timeout=30)
            return process.returncode, text

    def learn(
        self, argv: tuple[str, ...], base: Profile | None = None, known: Observed | None = None
    ) -> tuple[Observed, int, str]:
        with self.start(notifier(base, known), argv) as process:
            listener = notifications.take_listener(process.pid)
            with Supervisor(listener) as supervisor:
                observed = supervisor.collect(30)
            text, _ = process.communicate(timeout=10)
            return observed, process.returncode, text


@pytest.fixture
def place(image: Image, tmp_path: Path) -> Place:
    return Place(image.root, tmp_path)


@pytest.mark.parametrize("base", [None, "default"])
@pytest.mark.parametrize("name", WORKLOADS)
def test_what_is_learned_is_enough_and_no_more(place: Place, name: str, base: str | None) -> None:
    argv = WORKLOADS[name]
    below = seccomp.find(base) if base else None
    observed, status, text = place.learn(argv, below)
    assert status == 0, text
    assert observed.calls["execve"] >= 1
    assert observed.unknown == {}
    profile = learned_profile(observed, below, name=name, image="sha256:0", command=argv)
    learned.save(profile, place.folder / "profile.json")
    assert learned.load(place.folder / "profile.json") == profile

    enforced = seccomp.compile_filter(profile)
    # the clocks of a benchmark are in what it prints
    lines = text.splitlines()[:1] if name == "sysbench" else text.splitlines()
    assert place.run(enforced, *argv)[0] == 0
    assert place.run(enforced, *argv)[1].splitlines()[: len(lines)] == lines

    refused = place.run(enforced, "/bin/busybox", "chroot", "/", "/bin/true")
    assert refused[0] != 0
    assert "Operation not permitted" in refused[1]


def test_a_learned_profile_holds_a_whole_container(
    place: Place, engine: Engine, spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    observed, _, _ = place.learn(SHELL)
    profile = learned_profile(observed, seccomp.find("default"), name="of-a-shell")
    monkeypatch.setitem(seccomp.PROFILES, profile.name, profile)
    linux = replace(spec.linux, seccomp=profile.name)
    shell = replace(spec, process=replace(spec.process, args=SHELL), linux=linux)
    assert shell.process.init
    assert output(engine, shell)[1].splitlines()[-1] == "5"
    other = replace(shell.process, args=("/bin/busybox", "mkdir", "/tmp/new"))
    status, text = output(engine, replace(shell, process=other))
    assert status != 0
    assert "Operation not permitted" in text


def test_threads_and_children_are_seen_and_so_are_arguments(place: Place) -> None:
    observed, status, text = place.learn(PYTHON)
    assert (status, text) == (0, "499500\n")
    assert observed.arguments["socket"] == {1: 4}
    assert observed.calls["getpriority"] == 1
    # libc asks for clone3 first; it is told ENOSYS, and its flags are seen in clone
    assert observed.calls["clone3"] >= 1
    assert sum(observed.arguments["clone"].values()) >= 5


ALARMS = """
import os, signal
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
made = sum(os.getppid() > 0 for _ in range(500))
signal.setitimer(signal.ITIMER_REAL, 0)
print(made)
"""


def test_calls_are_noted_once_however_many_signals_come_in(place: Place) -> None:
    observed, status, text = place.learn(("/usr/bin/python3", "-I", "-S", "-c", ALARMS))
    assert status == 0
    # a signal that comes before the report is received interrupts the call (EINTR): not made,
    # not noted; one that comes later waits, or a call would be noted twice
    assert observed.calls["getppid"] == int(text)
    assert int(text) > 250
    assert observed.calls["rt_sigreturn"] > 10


def test_learning_below_a_profile_is_no_way_around_it(place: Place) -> None:
    program = "import os\ntry: os.unshare(0x10000000)\nexcept OSError as e: print(e.errno)"
    argv = ("/usr/bin/python3", "-I", "-S", "-c", program)
    observed, _, text = place.learn(argv, seccomp.find("default"))
    assert text == f"{errno.EPERM}\n"
    assert "unshare" not in observed.calls


def test_a_second_run_reports_only_what_is_new(place: Place) -> None:
    first, _, _ = place.learn(SHELL)
    again, status, _ = place.learn(SHELL, known=first)
    assert status == 0
    assert set(again.calls) <= {"clone", "clone3", "socket", "execve"}
    more = (*SHELL[:3], "busybox chroot / /bin/busybox true")
    other, _, _ = place.learn(more, known=first)
    assert "chroot" in other.calls
    profile = learned_profile(first.merged(other))
    assert place.run(seccomp.compile_filter(profile), *more)[0] == 0


def test_nothing_hangs_when_the_supervisor_goes(place: Place) -> None:
    argv = ("/bin/busybox", "sh", "-c", "while true; do busybox true; done")
    with place.start(notifier(), argv) as process:
        with Supervisor(notifications.take_listener(process.pid)) as supervisor:
            assert supervisor.collect(0.2).calls
        # every further call fails, so it cannot go on, but it ends
        assert process.wait(10) != 0


def test_there_is_no_listener_to_take_where_none_was_loaded() -> None:
    with subprocess.Popen(["sleep", "10"]) as process:
        try:
            with pytest.raises(SetupError, match="has loaded no filter with a listener"):
                notifications.take_listener(process.pid, timeout_s=0.05)
        finally:
            process.kill()


def test_log_mode_writes_what_would_be_refused_and_does_it(place: Place) -> None:
    kmsg = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.lseek(kmsg, 0, os.SEEK_END)
    number = 272 if os.uname().machine == "x86_64" else 97  # unshare, here of nothing
    argv = ("/usr/bin/python3", "-I", "-S", "-c", "import os; os.unshare(0); print('done')")
    assert "PermissionError" in place.run(seccomp.compile_filter(seccomp.find("default")), *argv)[1]
    assert place.run(seccomp.compile_filter(seccomp.find("default:log")), *argv) == (0, "done\n")
    end, text = time.monotonic() + 5, ""
    while f"syscall={number} " not in text and time.monotonic() < end:
        try:
            text += os.read(kmsg, 8192).decode("utf-8", "replace")
        except BlockingIOError:
            time.sleep(0.05)
    os.close(kmsg)
    line = next(line for line in text.splitlines() if f"syscall={number} " in line)
    assert "type=1326" in line
    assert "code=0x7ffc0000" in line
    assert 'comm="python3"' in line


PODMAN = Path("/usr/share/containers/seccomp.json")


@pytest.mark.skipif(
    not PODMAN.is_file(), reason="the package golang-github-containers-common has it"
)
def test_podmans_own_profile_loads_and_holds(place: Place) -> None:
    compiled = seccomp.compile_object(seccomp.load_file(PODMAN, ("CAP_CHOWN",)))
    assert place.run(compiled, *SHELL)[0] == 0
    status, text = place.run(compiled, "/bin/busybox", "chroot", "/", "/bin/busybox", "true")
    assert status != 0
    assert "Operation not permitted" in text
    assert json.loads(PODMAN.read_text())["defaultAction"] == "SCMP_ACT_ERRNO"
