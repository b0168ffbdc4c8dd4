"""The engine's end of its spawner: starting it, asking it, ending it."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime import record, rootless, wire
from runtime.errors import CgroupError, EngineError, ExecError, SetupError, StateError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.mappings import Rootless
    from runtime.operations import Operation

_PACKAGE_PARENT = Path(__file__).resolve().parent.parent
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from runtime.spawner.main import main; main({})"
)
_START_S = 20.0
#: Longer than any answer takes; past it the spawner hangs.
_ANSWER_S = 60.0
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
        """
        null = -1
        if stdio is None:
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            stdio = (null, null, null)
        try:
            descriptors = dict(enumerate(stdio)) | dict(extra or {})
            message["targets"] = tuple(descriptors)
            return self.ask(message, tuple(descriptors.values()), operations)
        finally:
            if null >= 0:
                os.close(null)

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
        """
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
            except (EOFError, OSError) as error:
                raise EngineError(
                    f"the spawner is gone (cannot {message['what']}); start a new engine and run "
                    "'tare clean'"
                ) from error
        if "failure" in answer:
            _raise_step(operations, *answer["failure"], what=message["what"])
        if "error" in answer:
            _raise(*answer["error"], what=message["what"])
        return answer, received

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
    error = ExecError if type(failed).__name__ == "Exec" else SetupError
    raise error(failed.describe(), reason, number)
