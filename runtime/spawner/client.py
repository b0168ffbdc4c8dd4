"""The engine's end of its spawner: starting it, asking it, ending it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import CgroupError, EngineError, ExecError, SetupError, StateError
from runtime.recovery import record
from runtime.spawner import wire
from runtime.users import rootless

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runtime.plan.steps import Operation
    from runtime.users.mappings import Rootless

_PACKAGE_PARENT = Path(__file__).resolve().parents[2]
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from runtime.spawner.main import main; main({})"
)
_START_S = 20.0
#: Longer than any answer takes; past it the spawner hangs.
_ANSWER_S = 60.0
_END_S = 1.0
#: A message carries 253 descriptors (unix(7)), and some of them are ours.
_MOST_DESCRIPTORS = 240
Stdio = tuple[int, int, int]


class Link:
    """The spawner as the harness sees it; thread-safe.

    Args:
        folder: directory of the engine, for its record.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sending = threading.Lock()
        self._channel, self.process = self._start_process()

    @property
    def pid(self) -> int:
        """Process id of the spawner."""
        return self.process.pid

    def set_up(self, settings: dict[str, Any], ids: Rootless | None) -> dict[str, Any]:
        """Have the spawner prepare itself.

        Args:
            settings: what it needs to know.
            ids: what an ordinary user may map; None for root.

        Returns:
            What it has found and made.

        Raises:
            EngineError: it cannot start; says why.
        """
        try:
            record.write(self._folder, self.pid, {})
            wire.send(self._channel, settings)
            answer, _ = wire.receive(self._channel)
            if "unshared" in answer:
                assert ids is not None
                rootless.map_ids(self.pid, ids)
                wire.send(self._channel, {})
                answer, _ = wire.receive(self._channel)
            if "error" not in answer:
                record.write(self._folder, self.pid, answer["cgroups"])
        except (OSError, EOFError) as error:
            raise EngineError(
                f"the spawner with the state directory {self._folder} died while starting: {error}"
            ) from error
        if "error" in answer:
            hint = ""
            if answer["errno"] in {errno.EPERM, errno.EACCES}:
                hint = "; containers need root, and mount namespaces allowed"
            raise EngineError(f"the spawner cannot start: {answer['error']}{hint}")
        self._channel.settimeout(_ANSWER_S)
        return dict(answer)

    def start(
        self,
        message: dict[str, Any],
        operations: Sequence[Operation],
        stdio: Stdio | None,
        extra: Mapping[int, int] | None,
    ) -> tuple[dict[str, Any], list[int]]:
        """Have the spawner make a process.

        Args:
            message: as for `ask`.
            operations: the plan.
            stdio: descriptors for standard input, output and error; /dev/null where None.
            extra: further ones, number in the container to number here.

        Raises:
            ContainerError: as the answer has it; SetupError where a descriptor cannot be given.
        """
        with ExitStack() as stack:
            if stdio is None:
                with _own_limits(message["what"]):
                    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
                stack.callback(os.close, null)
                stdio = (null, null, null)
            descriptors = dict(enumerate(stdio)) | dict(extra or {})
            _check_descriptors(descriptors, message["what"])
            message["targets"] = tuple(descriptors)
            try:
                return self.ask(message, tuple(descriptors.values()), operations)
            except wire.LostError as error:
                # it was made, and nobody would ever delete it
                self.ask({"verb": "delete", "what": "delete it again", "id": message["id"]})
                raise _too_many(message["what"]) from error

    def ask(
        self,
        message: dict[str, Any],
        fds: tuple[int, ...] = (),
        operations: Sequence[Operation] = (),
    ) -> tuple[dict[str, Any], list[int]]:
        """Ask the spawner something.

        Args:
            message: with "verb", and "what" for errors, in words that fit after "cannot".
            fds: descriptors that go along.
            operations: the plan in question, of which a failure names the step.

        Raises:
            ContainerError: as the answer has it.
            LostError: there was an answer, and no room here for its descriptors.
        """
        with _own_limits(message["what"]):
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_ANSWER_S)
        with ours:
            try:
                with theirs, self._sending:
                    wire.send(self._channel, message, (theirs.fileno(), *fds))
                answer, received = wire.receive(ours)
            except TimeoutError as error:
                raise EngineError(
                    f"the spawner (pid {self.pid}) does not answer for {_ANSWER_S:g} s "
                    f"(cannot {message['what']}); see its stack, then close the engine"
                ) from error
            except wire.LostError:
                raise
            except (EOFError, OSError) as error:
                if isinstance(error, EOFError) and self._lives():
                    raise EngineError(
                        f"the spawner (pid {self.pid}) can open no more descriptors (cannot "
                        f"{message['what']}); delete containers, or raise RLIMIT_NOFILE"
                    ) from error
                raise EngineError(
                    f"the spawner is gone (cannot {message['what']}); start a new engine and run "
                    "'tare clean'"
                ) from error
        if "failure" in answer:
            _raise_step(operations, *answer["failure"], what=message["what"])
        if "error" in answer:
            _raise(*answer["error"], what=message["what"])
        return answer, received

    def _lives(self) -> bool:
        """Whether the spawner runs; one that is just ending has closed its sockets before."""
        try:
            self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return True
        return False

    def close(self) -> None:
        """End the spawner, which kills and removes all that is left; idempotent."""
        self._channel.close()
        try:
            self.process.wait(_START_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _start_process(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_START_S)
        with theirs:
            number = theirs.fileno()
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _BOOT.format(number), str(_PACKAGE_PARENT)],
                stdin=subprocess.DEVNULL,
                pass_fds=(number,),
                start_new_session=True,  # Ctrl-C reaches the harness alone
            )
        return ours, process


@contextlib.contextmanager
def _own_limits(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        raise _too_many(what) from error


def _too_many(what: str) -> SetupError:
    reason = "this process can open no more descriptors; raise RLIMIT_NOFILE (ulimit -n)"
    return SetupError(what, reason, errno.EMFILE)


def _check_descriptors(descriptors: Mapping[int, int], what: str) -> None:
    """Refuse what the kernel would not hand over, and would say so in nobody's words."""
    if len(descriptors) > _MOST_DESCRIPTORS:
        reason = f"{len(descriptors)} descriptors are more than the {_MOST_DESCRIPTORS} that fit"
        raise SetupError(what, reason, errno.E2BIG)
    for number, here in descriptors.items():
        try:
            os.fstat(here)
        except (OSError, OverflowError) as error:
            reason = f"descriptor {here}, meant as its {number}, is not open"
            raise SetupError(what, reason, errno.EBADF) from error
        if number < 0:
            raise SetupError(what, f"{number} is no number of a descriptor", errno.EBADF)


def _raise(kind: str, reason: str, number: int, *, what: str) -> None:
    if kind in ("FileExistsError", "KeyError"):
        raise StateError(f"cannot {what}: {reason}")
    error = CgroupError if kind == "CgroupOSError" else SetupError
    raise error(what, reason, number)


def _raise_step(
    operations: Sequence[Operation], step: int, reason: str, number: int, *, what: str
) -> None:
    if not 0 <= step < len(operations):
        raise SetupError(what, reason, number)
    failed = operations[step]
    error = ExecError if type(failed).__name__ in ("Exec", "FindProgram") else SetupError
    raise error(failed.describe(), reason, number)
