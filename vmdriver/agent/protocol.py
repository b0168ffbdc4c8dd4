"""Run commands in the guest through its control port.

Protocol, one line each, spoken with ``guest/agent.sh``, which needs nothing of the image:

    host  → payload WORDS           shell words; sent once, before anything
    guest → ready
    host  → run ID SIZE MARK WORDS  followed by SIZE bytes of standard input
    guest → started ID PID          the command's process exists; exec follows
    guest → exited ID STATUS        128 + n for signal n
    guest → payload ended STATUS    likewise
    host  → ping ID                 is the guest there, while a command takes long?
    guest → pong ID 0
    host  → kill PID                the command's whole session
    host  → payload 0 0 0 WORDS     another payload, in a guest that was restored
    host  → stop TICKS              power off; the payload has 20 ms times TICKS after SIGTERM

Standard output and error travel on two ports of their own, raw. Behind a command's output comes
MARK on both, 32 random characters that the command cannot know: then all of it is here. Ports are
queues that QEMU serves in no order, so that ``exited`` on another says nothing about them.
"""

import contextlib
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from vmdriver.errors import CommandTimeoutError, GuestHungError, VmError, VmGoneError

_SLICE_S = 0.5
_LONGEST_LINE = 4096
_NUMBER = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True)
class Completed:
    """A command that has ended in the guest.

    Attributes:
        exit_code: its exit status; 128 + n when signal n ended it; 127 when it is not in the image.
        stdout: what it wrote to standard output.
        stderr: what it wrote to standard error.
        started_ns: the host saw that its process exists in the guest; exec follows. Like the next
            two, nanoseconds of the host's CLOCK_MONOTONIC.
        ended_ns: the host saw that it has ended.
        requested_ns: the request was about to be sent. From here to ``ended_ns`` is what a caller
            waits; a command that waited for an earlier one's end counts from its own turn.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    started_ns: int
    ended_ns: int
    requested_ns: int


@dataclass
class _Running:
    number: int
    mark: bytes = field(default_factory=lambda: secrets.token_hex(16).encode())
    output: dict[str, bytearray] = field(
        default_factory=lambda: {"out": bytearray(), "err": bytearray()}
    )
    open: set[str] = field(default_factory=lambda: {"out", "err"})
    pid: int | None = None
    started_ns: int = 0
    ended_ns: int = 0
    exit_code: int = 0
    started: threading.Event = field(default_factory=threading.Event)
    exited: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    ponged: threading.Event = field(default_factory=threading.Event)

    def take(self, port: str, data: bytes) -> None:
        """Add to the output on ``port``, up to the mark that ends it."""
        if port not in self.open:
            return  # of what an earlier or this command left running: belongs to nobody
        output = self.output[port]
        before = len(output)
        output += data
        end = output.find(self.mark, max(0, before - len(self.mark)))
        if end >= 0:
            del output[end:]
            self.open.discard(port)
            self.settle()

    def settle(self) -> None:
        """It has ended once its status and all of its output are here."""
        if self.exited.is_set() and not self.open:
            self.ended.set()


class Agent:
    """The host's half of the protocol. One command runs at a time; others wait for it."""

    def __init__(
        self,
        send: Callable[[bytes, float], None],
        drain: Callable[[], None],
        payload_ended: Callable[[], None],
        answer_s: float,
        why: Callable[[], str] = lambda: "its console may say why",
    ) -> None:
        """Speak through ``send``.

        Args:
            send: sends bytes to the control port, with a time limit in seconds.
            drain: delivers what has already arrived on other ports.
            payload_ended: called when the payload's status is known.
            answer_s: seconds the guest may take to acknowledge anything.
            why: what can be seen of a guest that does not answer, in words.
        """
        self.ready = threading.Event()
        self.payload_exit: int | None = None
        self._send = send
        self._drain = drain
        self._payload_ended = payload_ended
        self._answer_s = answer_s
        self._why = why
        self._one_at_a_time = threading.Lock()
        self._running: _Running | None = None
        self._number = 0
        self._partial = b""
        self._gone = False

    def receive(self, port: str, data: bytes, now: int) -> None:
        """Take what came from the guest on ``port``; called on the channels' thread."""
        running = self._running
        if port in {"out", "err"}:
            if running is not None:
                running.take(port, data)
            return
        *lines, rest = (self._partial + data).split(b"\n")
        # what is longer than any line of ours is none, and its end then none either
        self._partial = rest if len(rest) <= _LONGEST_LINE else rest[: _LONGEST_LINE + 1]
        for line in lines:
            if len(line) <= _LONGEST_LINE:
                self._on_line(line.decode(errors="replace").split(), now)

    def _on_line(self, parts: list[str], now: int) -> None:
        """Take one line; a guest may say anything, and what is no answer is passed over."""
        running = self._running
        if parts == ["ready"]:
            self.ready.set()
        if len(parts) != 3 or not _NUMBER.fullmatch(parts[2]):  # noqa: PLR2004  # verb, number, value
            return
        value = int(parts[2])
        if parts[:2] == ["payload", "ended"]:
            self._drain()
            self.payload_exit = value
            self._payload_ended()
        if running is None or parts[1] != str(running.number):
            return
        if parts[0] == "started":
            running.started_ns, running.pid = now, value
            running.started.set()
        elif parts[0] == "exited":
            running.ended_ns, running.exit_code = now, value
            self._drain()
            running.exited.set()
            running.settle()
        elif parts[0] == "pong":
            running.ponged.set()

    def abandon(self) -> None:
        """The VM is gone: nobody shall wait for an answer."""
        self._gone = True
        running = self._running
        if running is not None:
            for event in (running.started, running.exited, running.ended, running.ponged):
                event.set()

    def run(self, script: str, stdin: bytes = b"", timeout_s: float | None = None) -> Completed:
        """Run shell words in the guest and wait for their end.

        Args:
            script: as `vmdriver.agent.shellwords.words` makes it; for the guest's own shell, not
                the image's.
            stdin: standard input; ``/dev/null`` when empty.
            timeout_s: seconds until the command's session is killed; None waits for as long as
                the guest is there.

        Raises:
            CommandTimeoutError: it ran longer than ``timeout_s``; it has been killed.
            GuestHungError: the guest did not acknowledge the command, or is not there any more
                while it runs, or the command did not die when killed.
            VmGoneError: QEMU ended before.
        """
        with self._one_at_a_time:
            self._number += 1
            self._running = _Running(self._number)
            try:
                return self._run(self._running, script, stdin, timeout_s)
            finally:
                self._running = None

    def _run(
        self, running: _Running, script: str, stdin: bytes, timeout_s: float | None
    ) -> Completed:
        requested = time.monotonic_ns()
        try:
            self._request(running, script, stdin)
            in_time = self._await_end(running, timeout_s)
        except GuestHungError:
            raise  # who does not answer does not kill either
        except BaseException:
            # What is on its way (Ctrl-C, above all) says more than a guest that cannot kill.
            with contextlib.suppress(VmError):
                self._kill(running)
            raise
        if not in_time:
            why = self._why()
            self._kill(running)
            raise CommandTimeoutError(
                f"a command in the guest ran longer than {timeout_s:g} s and was killed; {why}"
            )
        if running.ended_ns == 0 or running.open:
            raise VmGoneError("QEMU ended while a command ran in the guest")
        return Completed(
            exit_code=running.exit_code,
            stdout=bytes(running.output["out"]),
            stderr=bytes(running.output["err"]),
            started_ns=running.started_ns,
            ended_ns=running.ended_ns,
            requested_ns=requested,
        )

    def _await_end(self, running: _Running, timeout_s: float | None) -> bool:
        """Whether the command ends in time; asks now and then whether the guest is there."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left = self._answer_s if deadline is None else deadline - time.monotonic()
            if running.exited.wait(max(0.0, min(left, self._answer_s))):
                break
            if deadline is not None and time.monotonic() >= deadline:
                return False
            self._ping(running)
        if not running.ended.wait(self._answer_s):
            raise GuestHungError(
                f"the rest of a command's output did not come within {self._answer_s:g} s of its "
                f"end; {self._why()}"
            )
        return True

    def _ping(self, running: _Running) -> None:
        running.ponged.clear()
        if self._gone or running.exited.is_set():
            return
        try:
            self._send(f"ping {running.number}\n".encode(), self._answer_s)
        except TimeoutError:
            raise GuestHungError(
                f"the guest does not read its control port; {self._why()}"
            ) from None
        until = time.monotonic() + self._answer_s
        while not running.ponged.wait(_SLICE_S) and not running.exited.is_set():
            if time.monotonic() > until:
                raise GuestHungError(
                    f"the guest did not answer for {self._answer_s:g} s while a command ran; "
                    f"{self._why()}"
                )

    def _request(self, running: _Running, script: str, stdin: bytes) -> None:
        mark = running.mark.decode()
        request = f"run {running.number} {len(stdin)} {mark} {script}\n".encode()
        limit = self._answer_s + len(stdin) / 1e6  # an emulated guest takes a few MB a second
        try:
            self._send(request + stdin, limit)
        except TimeoutError:
            raise GuestHungError(
                f"the guest does not read its control port; {self._why()}"
            ) from None
        if not running.started.wait(limit):
            raise GuestHungError(
                f"the guest did not acknowledge a command within {limit:g} s; {self._why()}"
            )

    def _kill(self, running: _Running) -> None:
        if running.pid is None or running.ended.is_set() or self._gone:
            return
        try:
            self._send(f"kill {running.pid}\n".encode(), self._answer_s)
        except TimeoutError:
            raise GuestHungError(
                f"the guest does not read its control port; {self._why()}"
            ) from None
        if not running.ended.wait(self._answer_s):
            raise GuestHungError(
                f"a killed command did not end in the guest within {self._answer_s:g} s; "
                f"{self._why()}"
            )
