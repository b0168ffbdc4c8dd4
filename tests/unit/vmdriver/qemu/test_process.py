"""What a process was and how it ended, also where another is its parent."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vmdriver.qemu import diagnosis
from vmdriver.qemu.process import Process


@contextmanager
def others_child(program: str, then: str) -> Iterator[Process]:
    """A child of another process, which does `then` meanwhile."""
    parent = f"sh -c '{program}' & echo $!; {then}"
    with subprocess.Popen(["sh", "-c", parent], stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        process = Process.open(int(shell.stdout.readline()))
        yield process
        process.close()
        shell.kill()


@pytest.mark.parametrize(
    ("program", "words"), [("exit 7", "exit status 7"), ("kill -9 $$", "signal SIGKILL")]
)
def test_how_another_s_child_ended_is_known(program: str, words: str) -> None:
    with others_child(f"sleep 0.1; {program}", "exec sleep 60") as process:
        assert process.exit_status_of_another_child() is None
        assert process.ended(5)
        assert process.reap() is None
        assert process.exit_status_of_another_child() == words


def test_of_a_reaped_process_nothing_wrong_is_said() -> None:
    with others_child("sleep 0.1; exit 7", "wait; exec sleep 60") as process:
        until = time.monotonic() + 60
        while Path(f"/proc/{process.pid}").exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        assert process.exit_status_of_another_child() in {None, "exit status 7"}


BUSY = "while True: pass"
IDLE = "import time; time.sleep(60)"
# posix_spawn(3) waits, as D, until its child has executed; ours waits for someone to read a pipe.
STUCK = """
import os, sys
wait = (os.POSIX_SPAWN_OPEN, 0, sys.argv[1], os.O_WRONLY, 0)
os.posix_spawn("/bin/true", ["true"], {}, file_actions=[wait])
"""


@pytest.mark.parametrize(
    ("program", "signal", "words"),
    [
        (BUSY, 0, "a vCPU is busy"),
        (IDLE, 0, "the guest waits"),
        (IDLE, 19, "stopped by a signal"),
        (STUCK, 0, "waits in the host's kernel"),
        ("pass", 0, "has just ended"),
    ],
)
def test_why_a_guest_is_silent_is_told_apart(
    program: str, signal: int, words: str, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", program, pipe]) as child:
        process = Process.open(child.pid)
        child.send_signal(signal)
        until = time.monotonic() + 60
        while words not in (said := diagnosis.why(process)) and time.monotonic() < until:
            time.sleep(0.01)  # the interpreter's own start is busy
        with open(pipe, "rb", opener=lambda path, _: os.open(path, os.O_RDONLY | os.O_NONBLOCK)):
            child.kill()
        process.close()
    assert words in said


def test_a_qemu_that_never_came_is_said_to_have_not() -> None:
    assert diagnosis.why(None) == "QEMU has not connected"


def test_who_waits_for_a_turn_on_a_busy_host_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    with others_child("exec sleep 60", "wait") as process:
        assert diagnosis.why(process).endswith("the guest waits, for its disk perhaps")
        queued = iter([0.0, 0.2])
        monkeypatch.setattr(diagnosis, "queued_s", lambda _pid: next(queued))
        assert diagnosis.why(process).endswith("a vCPU is busy")
