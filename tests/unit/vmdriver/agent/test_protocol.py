import signal
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.framework.fuzzing import DERANDOMIZED, examples
from vmdriver import (
    CommandTimeoutError,
    ConfigError,
    GuestHungError,
    VmGoneError,
)
from vmdriver.agent.protocol import Agent
from vmdriver.agent.shellwords import quote, words


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
        self.mark = b""
        self.agent = Agent(self.send, lambda: None, lambda: None, answer_s=0.2)

    def send(self, data: bytes, timeout_s: float) -> None:
        del timeout_s
        verb, *rest = data.split()
        if verb == b"run":
            self.mark = rest[2]
            data = data.replace(self.mark, b"MARK")
        self.sent.append(data)
        threading.Thread(target=self.answer, args=(self, verb.decode())).start()

    def say(self, line: str) -> None:
        self.agent.receive("control", f"{line}\n".encode(), time.monotonic_ns())

    def write(self, port: str, data: bytes) -> None:
        self.agent.receive(port, data, 0)

    def end(self, status: int = 0) -> None:
        self.say(f"exited 1 {status}")
        self.write("out", self.mark)
        self.write("err", self.mark)


def well(guest: Guest, verb: str) -> None:
    if verb == "run":
        guest.say("started 1 77")
        guest.write("out", b"some ")
        guest.write("err", b"bad")
        guest.write("out", b"words")
        guest.end(3)


def test_a_command_s_result_is_put_together() -> None:
    done = Guest(well).agent.run("true")
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"some words", b"bad")
    assert done.requested_ns <= done.started_ns <= done.ended_ns


def test_standard_input_follows_its_size() -> None:
    guest = Guest(well)
    guest.agent.run("cat", b"\x00\n\xff")
    assert guest.sent == [b"run 1 3 MARK cat\n\x00\n\xff"]


@settings(max_examples=40, deadline=None)
@given(output=st.binary(max_size=200), chunk=st.integers(1, 50), after=st.binary(max_size=50))
def test_output_ends_at_its_mark_wherever_it_is_cut(
    output: bytes, chunk: int, after: bytes
) -> None:
    def cut(guest: Guest, verb: str) -> None:
        if verb == "run":
            guest.say("started 1 77")
            guest.say("exited 1 0")  # on a port of its own, and first
            guest.write("err", guest.mark)
            stream = output + guest.mark + after
            for at in range(0, len(stream), chunk):
                guest.write("out", stream[at : at + chunk])

    assert Guest(cut).agent.run("true").stdout == output


def slow(guest: Guest, verb: str) -> None:
    if verb == "run":
        guest.say("started 1 77")
    else:
        guest.end(137)


def test_a_slow_command_is_killed() -> None:
    guest = Guest(slow)
    with pytest.raises(CommandTimeoutError, match=r"longer than 0\.05 s"):
        guest.agent.run("sleep", timeout_s=0.05)
    assert guest.sent[-1] == b"kill 77\n"


def test_a_guest_that_does_not_acknowledge() -> None:
    with pytest.raises(GuestHungError, match="did not acknowledge"):
        Guest(lambda _guest, _verb: None).agent.run("true")


def never(guest: Guest, verb: str) -> None:
    if verb == "run":
        guest.say("started 1 77")


def test_a_guest_that_cannot_kill() -> None:
    with pytest.raises(GuestHungError, match="did not end"):
        Guest(never).agent.run("true", timeout_s=0.05)


def test_a_guest_that_is_gone_under_a_command_without_limit() -> None:
    guest = Guest(never)
    with pytest.raises(GuestHungError, match=r"did not answer for 0\.2 s while a command ran"):
        guest.agent.run("true")
    assert guest.sent[-1] == b"ping 1\n"


def test_a_guest_that_is_there_is_waited_for() -> None:
    def busy(guest: Guest, verb: str) -> None:
        if verb == "run":
            guest.say("started 1 77")
        elif len(guest.sent) < 4:
            guest.say("pong 1 0")
        else:
            guest.end()

    guest = Guest(busy)
    assert guest.agent.run("true").exit_code == 0
    assert guest.sent[1:] == [b"ping 1\n"] * 3


def test_output_that_never_ends_is_named() -> None:
    def cut_off(guest: Guest, verb: str) -> None:
        if verb == "run":
            guest.say("started 1 77")
            guest.say("exited 1 0")
            guest.write("out", guest.mark[:-1])

    with pytest.raises(GuestHungError, match="the rest of a command's output did not come"):
        Guest(cut_off).agent.run("true")


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


def test_a_vm_that_dies_before_all_output_is_here() -> None:
    def die(guest: Guest, verb: str) -> None:
        if verb == "run":
            guest.say("started 1 77")
            guest.say("exited 1 0")
            guest.agent.abandon()

    with pytest.raises(VmGoneError, match="while a command ran"):
        Guest(die).agent.run("true")


def test_lines_may_arrive_in_pieces() -> None:
    def pieces(guest: Guest, verb: str) -> None:
        if verb == "run":
            for piece in (b"start", b"ed 1 77\nexi", b"ted 1 0", b"\n"):
                guest.write("control", piece)
            guest.end()

    assert Guest(pieces).agent.run("true").exit_code == 0


@pytest.mark.parametrize(
    "line",
    ["payload ended", "payload ended x", "started 1 x", "exited 1 -", "exited 1 " + "9" * 5000],
)
def test_a_malformed_line_is_passed_over(line: str) -> None:
    """It ended the thread that reads the guest's ports, and with it every answer."""

    def answer(guest: Guest, verb: str) -> None:
        guest.say(line)
        well(guest, verb)

    assert Guest(answer).agent.run("true").exit_code == 3


def test_a_line_without_an_end_takes_no_memory() -> None:
    guest = Guest(well)
    tracemalloc.start()
    try:
        for _ in range(64):
            guest.write("control", b"x" * 65536)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1 << 20
    guest.write("control", b"\n")
    assert guest.agent.run("true").exit_code == 3


@settings(max_examples=examples(200), deadline=None, derandomize=DERANDOMIZED)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["control", "out", "err"]),
            st.one_of(
                st.binary(max_size=200),
                st.lists(
                    st.sampled_from(
                        [b"ready", b"payload", b"ended", b"started", b"exited", b"pong", b"1",
                         b"0", b"-1", b"1e9", b"\xd9\xa1", b" ", b" ", b"\n", b"\n"]
                    ),
                    max_size=12,
                ).map(b"".join),
            ),
        ),
        max_size=20,
    )
)  # fmt: skip
def test_whatever_a_guest_says_its_ports_are_read_on(said: list[tuple[str, bytes]]) -> None:
    guest = Guest(well)
    for port, data in said:
        guest.write(port, data)
    assert not guest.agent.ready.is_set() or any(b"ready" in data for _, data in said)
    guest.write("control", b"\nready\n")
    assert guest.agent.ready.is_set()
