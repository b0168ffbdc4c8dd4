import signal
import subprocess
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmdriver import (
    AgentMissingError,
    CommandTimeoutError,
    ConfigError,
    GuestHungError,
    VmGoneError,
)
from vmdriver.agent import Agent, quote, words


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_the_guest_s_shell_reads_back_every_word(arguments: list[str]) -> None:
    line = " ".join(quote(argument) for argument in ["x", *arguments])
    assert "\n" not in line
    done = subprocess.run(
        ["busybox", "sh", "-c", f"for word in {line}; do printf '%s\\0' \"$word\"; done"],
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().split("\0")[:-1] == ["x", *arguments]


def test_a_nul_byte_is_refused() -> None:
    with pytest.raises(ConfigError, match="NUL"):
        quote("a\0b")


def test_a_variable_the_shell_cannot_export_is_refused() -> None:
    with pytest.raises(ConfigError, match="'a-b' cannot name"):
        words(["true"], {"a-b": "1"}, "/")


def test_no_command_is_refused() -> None:
    with pytest.raises(ConfigError, match="no command"):
        words([], {}, "/")


class Guest:
    """A guest that answers as a script says, on a thread as the real one would."""

    def __init__(self, answer: Callable[["Guest", str], None]) -> None:
        self.answer = answer
        self.sent: list[bytes] = []
        self.agent = Agent(self.send, lambda: None, lambda: None, answer_s=0.2)

    def send(self, data: bytes, timeout_s: float) -> None:
        del timeout_s
        self.sent.append(data)
        verb = data.split()[0].decode()
        threading.Thread(target=self.answer, args=(self, verb)).start()

    def say(self, line: str) -> None:
        self.agent.receive("control", f"{line}\n".encode(), time.monotonic_ns())


def well(guest: Guest, verb: str) -> None:
    if verb == "run":
        guest.say("started 1 77")
        guest.agent.receive("out", b"some ", 0)
        guest.agent.receive("err", b"bad", 0)
        guest.agent.receive("out", b"words", 0)
        guest.say("exited 1 3")


def test_a_command_s_result_is_put_together() -> None:
    done = Guest(well).agent.run("true")
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"some words", b"bad")
    assert done.requested_ns <= done.started_ns <= done.ended_ns


def test_standard_input_follows_its_size() -> None:
    guest = Guest(well)
    guest.agent.run("cat", b"\x00\n\xff")
    assert guest.sent == [b"run 1 3 cat\n\x00\n\xff"]


def slow(guest: Guest, verb: str) -> None:
    guest.say("started 1 77" if verb == "run" else "exited 1 137")


def test_a_slow_command_is_killed() -> None:
    guest = Guest(slow)
    with pytest.raises(CommandTimeoutError, match=r"longer than 0\.05 s"):
        guest.agent.run("sleep", timeout_s=0.05)
    assert guest.sent[-1] == b"kill 77\n"


def test_a_guest_that_does_not_acknowledge() -> None:
    with pytest.raises(AgentMissingError, match="did not acknowledge"):
        Guest(lambda _guest, _verb: None).agent.run("true")


def test_a_guest_that_cannot_kill() -> None:
    def never(guest: Guest, verb: str) -> None:
        if verb == "run":
            guest.say("started 1 77")

    with pytest.raises(GuestHungError, match="did not end"):
        Guest(never).agent.run("true", timeout_s=0.05)


def test_an_interrupt_is_not_hidden_by_a_guest_that_cannot_kill() -> None:
    def interrupted(guest: Guest, verb: str) -> None:
        if verb == "run":
            guest.say("started 1 77")
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    guest = Guest(interrupted)
    with pytest.raises(KeyboardInterrupt):
        guest.agent.run("sleep")
    assert guest.sent[-1] == b"kill 77\n"


def test_a_vm_that_dies_under_a_command() -> None:
    def die(guest: Guest, verb: str) -> None:
        if verb == "run":
            guest.say("started 1 77")
            guest.agent.abandon()

    with pytest.raises(VmGoneError, match="while a command ran"):
        Guest(die).agent.run("true")


def test_lines_may_arrive_in_pieces() -> None:
    def pieces(guest: Guest, verb: str) -> None:
        if verb == "run":
            for piece in (b"start", b"ed 1 77\nexi", b"ted 1 0", b"\n"):
                guest.agent.receive("control", piece, 5)

    assert Guest(pieces).agent.run("true").exit_code == 0
