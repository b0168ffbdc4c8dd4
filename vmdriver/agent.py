"""Runs commands in the guest through its control port.

Protocol, one line each, spoken with ``guest/agent.sh``, which needs nothing of the image:

    host  → payload WORDS           shell words; sent once, before anything
    guest → ready
    host  → run ID SIZE WORDS       followed by SIZE bytes of standard input
    guest → started ID PID          the command's process exists; exec follows
    guest → exited ID STATUS        128 + n for signal n
    guest → payload ended STATUS    likewise
    host  → kill PID                the command's whole session
    host  → payload 0 0 WORDS       another payload, in a guest that was restored
    host  → stop TICKS              power off; the payload has 20 ms times TICKS after SIGTERM

Standard output and error travel on two ports of their own, raw. A guest's write to a port returns
when QEMU has taken the bytes, so once ``exited`` is here, all output is in our sockets.
"""

import contextlib
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vmdriver.errors import (
    AgentMissingError,
    CommandTimeoutError,
    ConfigError,
    GuestHungError,
    VmError,
    VmGoneError,
)

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PRINTABLE = range(0x20, 0x7F)


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
    output: dict[str, bytearray] = field(
        default_factory=lambda: {"out": bytearray(), "err": bytearray()}
    )
    pid: int | None = None
    started_ns: int = 0
    ended_ns: int = 0
    exit_code: int = 0
    started: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


def quote(word: str) -> str:
    """One shell word on one line, whatever it holds. Raises ConfigError for a NUL byte."""
    if "\0" in word:
        raise ConfigError(f"an argument cannot hold a NUL byte: {word!r}")
    if _PLAIN.fullmatch(word):
        return word
    data = word.encode("utf-8", "surrogateescape")
    if all(byte in _PRINTABLE for byte in data):
        return "'" + word.replace("'", "'\\''") + "'"
    special = b"'\\"
    escaped = "".join(
        chr(byte) if byte in _PRINTABLE and byte not in special else f"\\{byte:03o}"
        for byte in data
    )
    return f"$'{escaped}'"


def words(arguments: Sequence[str], environment: Mapping[str, str], directory: str) -> str:
    """The shell words that become the command; see ``guest/agent.sh``.

    Raises:
        ConfigError: no arguments, a NUL byte, or a variable's name the shell cannot export.
    """
    if not arguments:
        raise ConfigError("there is no command to run")
    parts = [f"cd {quote(directory)} || exit 127"]
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name):
            raise ConfigError(f"{name!r} cannot name an environment variable in the guest")
        parts.append(f"export {name}={quote(value)}")
    parts.append(f"find_program {quote(arguments[0])}")
    rest = " ".join(quote(argument) for argument in arguments[1:])
    # A session of its own, so that a kill reaches everything the command started.
    parts.append(f'exec setsid "$program" {rest}'.rstrip())
    return "; ".join(parts)


class Agent:
    """The host's half of the protocol. One command runs at a time; others wait for it."""

    def __init__(
        self,
        send: Callable[[bytes, float], None],
        drain: Callable[[], None],
        payload_ended: Callable[[], None],
        answer_s: float,
    ) -> None:
        """Speaks through ``send``.

        Args:
            send: sends bytes to the control port, with a time limit in seconds.
            drain: delivers what has already arrived on other ports.
            payload_ended: called when the payload's status is known.
            answer_s: seconds the guest may take to acknowledge anything.
        """
        self.ready = threading.Event()
        self.payload_exit: int | None = None
        self._send = send
        self._drain = drain
        self._payload_ended = payload_ended
        self._answer_s = answer_s
        self._one_at_a_time = threading.Lock()
        self._running: _Running | None = None
        self._number = 0
        self._partial = b""
        self._gone = False

    def receive(self, port: str, data: bytes, now: int) -> None:
        """Takes what came from the guest on ``port``; called on the channels' thread."""
        running = self._running
        if port in {"out", "err"}:
            # What a command's abandoned children write after it has ended belongs to nobody.
            if running is not None and not running.ended.is_set():
                running.output[port] += data
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._on_line(line.decode(errors="replace").split(), now)

    def _on_line(self, parts: list[str], now: int) -> None:
        running = self._running
        if parts == ["ready"]:
            self.ready.set()
        if parts[:2] == ["payload", "ended"]:
            self._drain()
            self.payload_exit = int(parts[2])
            self._payload_ended()
        if running is None or len(parts) != 3 or parts[1] != str(running.number):  # noqa: PLR2004  # verb, number, value
            return
        if parts[0] == "started":
            running.started_ns, running.pid = now, int(parts[2])
            running.started.set()
        elif parts[0] == "exited":
            running.ended_ns, running.exit_code = now, int(parts[2])
            self._drain()
            running.ended.set()

    def abandon(self) -> None:
        """The VM is gone: nobody shall wait for an answer."""
        self._gone = True
        running = self._running
        if running is not None:
            running.started.set()
            running.ended.set()

    def run(self, script: str, stdin: bytes = b"", timeout_s: float | None = None) -> Completed:
        """Runs shell words in the guest and waits for their end.

        Args:
            script: as `words` makes it; run by the guest's own shell, not the image's.
            stdin: standard input; ``/dev/null`` when empty.
            timeout_s: seconds until the command's session is killed; None waits forever.

        Raises:
            CommandTimeoutError: it ran longer than ``timeout_s``; it has been killed.
            AgentMissingError: the guest did not acknowledge the command.
            GuestHungError: the command did not die when killed.
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
            in_time = running.ended.wait(timeout_s)
        except BaseException:
            # What is on its way (Ctrl-C, above all) says more than a guest that cannot kill.
            with contextlib.suppress(VmError):
                self._kill(running)
            raise
        if not in_time:
            self._kill(running)
            raise CommandTimeoutError(
                f"a command in the guest ran longer than {timeout_s} s and was killed"
            )
        if running.ended_ns == 0:
            raise VmGoneError("QEMU ended while a command ran in the guest")
        return Completed(
            exit_code=running.exit_code,
            stdout=bytes(running.output["out"]),
            stderr=bytes(running.output["err"]),
            started_ns=running.started_ns,
            ended_ns=running.ended_ns,
            requested_ns=requested,
        )

    def _request(self, running: _Running, script: str, stdin: bytes) -> None:
        request = f"run {running.number} {len(stdin)} {script}\n".encode()
        limit = self._answer_s + len(stdin) / 1e6  # an emulated guest takes a few MB a second
        try:
            self._send(request + stdin, limit)
        except TimeoutError:
            raise AgentMissingError("the guest does not read its control port") from None
        if not running.started.wait(limit):
            raise AgentMissingError(f"the guest did not acknowledge a command within {limit:.0f} s")

    def _kill(self, running: _Running) -> None:
        if running.pid is None or running.ended.is_set() or self._gone:
            return
        try:
            self._send(f"kill {running.pid}\n".encode(), self._answer_s)
        except TimeoutError:
            raise GuestHungError("the guest does not read its control port") from None
        if not running.ended.wait(self._answer_s):
            raise GuestHungError(
                f"a killed command did not end in the guest within {self._answer_s:.0f} s"
            )
