"""What the peers of our runtime have in common: a helper that starts them.

A peer is a runtime that others wrote, or the floor. Everything is made by one helper process for
each sandbox (``peer_helper``), in a mount namespace of its own.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import msgspec

from benchmarks.errors import MeasurementError, UnsuitableHostError
from benchmarks.sandboxes.peer_instance import PeerInstance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from benchmarks.results.records import SandboxInfo
    from benchmarks.sandboxes.base import Completed, Setting
    from benchmarks.sandboxes.peer_client import Command, Helper
    from benchmarks.sandboxes.peer_instance import Started

PIDS_LIMIT = 512
"""As the ``container`` sandbox has it."""


class PeerSandbox:
    """Base of the sandboxes that a helper starts; each says how in ``launch`` and ``remove``."""

    info: SandboxInfo
    _helper: Helper

    def __init__(self, name: str, setting: Setting) -> None:
        """Check what every peer needs.

        Raises:
            UnsuitableHostError: Not root, or no image.
        """
        if os.geteuid() != 0:
            raise UnsuitableHostError(f"the sandbox {name!r} needs root; run tare as root")
        if setting.image_root is None:
            raise UnsuitableHostError(
                f"the sandbox {name!r} needs an image; make one with `tare image build`",
            )
        self.name = name
        self.image_root = setting.image_root
        self.setting = setting
        self.word = name.replace(":", ".")
        self._state = setting.state / self.word
        self._numbers = itertools.count()
        self._running: set[str] = set()

    def _new_name(self, number: int) -> str:
        return f"{self.word}-{os.getpid()}-{number}"

    def start(self) -> PeerInstance:
        """Start one and wait for its first instruction."""
        name = self._new_name(next(self._numbers))
        self._running.add(name)
        try:
            return PeerInstance(self, self.launch(name))
        except MeasurementError as error:
            self._running.discard(name)
            raise MeasurementError(
                f"{self.name} did not start: {error}",
                timed_out=error.timed_out,
                out_of_memory=error.out_of_memory,
            ) from error

    @contextlib.contextmanager
    def _undone_on_failure(self, name: str) -> Iterator[list[int]]:
        """Have the helper remove an instance whose start fails in this context.

        The context holds a list for pidfds, whose processes are killed then.

        Raises:
            MeasurementError: It failed, or a process of it had ended before it could be looked at.
        """
        held: list[int] = []
        try:
            yield held
        except BaseException as error:
            for fd in held:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
                os.close(fd)
            with contextlib.suppress(MeasurementError):
                self._helper.ask("drop", name=name)
            if isinstance(error, OSError):
                raise MeasurementError(
                    f"it had ended before it could be looked at ({error})"
                ) from error
            raise

    def launch(self, name: str) -> Started:
        """Start an instance; on failure nothing of it is left."""
        raise NotImplementedError

    @contextlib.contextmanager
    def terminate(self, started: Started) -> Iterator[Command | None]:
        """Ask an instance to end: SIGTERM to its first process.

        The context holds the command that asks, where one does; leaving it waits for the command.
        """
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(started.pidfds[0], signal.SIGTERM)
        yield None

    def was_killed(self, started: Started) -> bool:
        """Whether an instance that has ended was killed by what was to ask it to end."""
        del started
        return False

    def remove(self, started: Started) -> None:
        """Remove what an ended instance leaves."""
        self._running.discard(started.name)

    def execute(
        self,
        started: Started,
        args: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes,
    ) -> Completed:
        """Run a further command in an instance; most peers cannot."""
        del started, timeout_s, stdin
        raise MeasurementError(
            f"{self.name} cannot run {args[0]} in a running instance: it only starts programs",
        )

    def _with_memory(self, memory_bytes: int) -> Self:
        """Return a view of this sandbox that shares everything but the memory limit."""
        other = copy.copy(self)
        resources = msgspec.structs.replace(self.setting.resources, memory_bytes=memory_bytes)
        other.setting = replace(self.setting, resources=resources)
        return other

    def leftovers(self) -> list[str]:
        """Name what is left of instances that should be gone."""
        groups = [
            f"control group {found}"
            for group in self._helper.groups
            if group.is_dir()
            for found in group.iterdir()
            if found.is_dir()
        ]
        return [*groups, *(f"instance {name}" for name in sorted(self._running))]

    def open(self) -> None:
        """Start the helper and have everything made that is made once."""
        raise NotImplementedError

    def close(self) -> None:
        """End what ``open`` has begun, beside the helper."""

    def __enter__(self) -> Self:
        try:
            self.open()
        except MeasurementError as error:
            self.__exit__(None, None, None)
            raise UnsuitableHostError(
                f"the sandbox {self.name!r} cannot be had here: {error}",
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        finally:
            if hasattr(self, "_helper"):
                self._helper.close()
