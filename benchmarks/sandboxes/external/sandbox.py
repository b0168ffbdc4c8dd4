"""Base of all sandboxes whose instances an external program starts, and of the floor.

One helper process for each sandbox (``external.helper``) makes everything, in a mount namespace of
its own. `ExternalSandbox.launch` is the template of every start; a kind overrides the steps in
which it differs.
"""

import contextlib
import copy
import itertools
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from benchmarks.errors import MeasurementError, UnsuitableHostError
from benchmarks.results.records import SandboxInfo
from benchmarks.sandboxes import limits
from benchmarks.sandboxes.base import STAMP_DESCRIPTOR, Completed, Setting
from benchmarks.sandboxes.capture import FirstByte
from benchmarks.sandboxes.external.client import Command, Helper, ended, start_error
from benchmarks.sandboxes.external.instance import ExternalInstance, Started
from runtime.harness import usage

UNLIMITED = "CPU affinity alone: it knows no control groups"
"""Enforcement of the limits where the program makes no control group."""


@dataclass(frozen=True)
class Recipe:
    """The command that starts one instance.

    Attributes:
        argv: The command, its program by its path.
        environment: Its environment.
        detached: Whether the command ends when the instance runs; otherwise it stays, as the
            instance's outer process.
        stamp: Descriptor on which the payload reports its first instruction; None where it comes on
            a named pipe.
        inputs: Further descriptors, and what can be read from them.
        request: Further fields of the helper's ``spawn`` request, such as the command to undo it.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    detached: bool
    stamp: int | None = STAMP_DESCRIPTOR
    inputs: Mapping[int, bytes] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)


class Located(NamedTuple):
    """The processes and groups that a detached command has left running.

    Attributes:
        pid: The instance's first process, by host pid.
        groups: Controller to directory of its own control group; empty without one.
        services: Further host processes that serve it and no other.
    """

    pid: int
    groups: Mapping[str, Path]
    services: tuple[int, ...] = ()


class ExternalSandbox:
    """Starts instances by a command; a kind gives its `recipe`, and locates what it has started."""

    info: SandboxInfo
    _helper: Helper

    def __init__(self, name: str, setting: Setting) -> None:
        """Check what every kind needs.

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
        self.file_name = name.replace(":", ".")
        self._state = setting.state / self.file_name
        self._numbers = itertools.count()
        self._running: set[str] = set()

    def _new_name(self, number: int) -> str:
        return f"{self.file_name}-{os.getpid()}-{number}"

    def start(self) -> ExternalInstance:
        """Start one and wait for its first instruction."""
        name = self._new_name(next(self._numbers))
        self._running.add(name)
        try:
            return ExternalInstance(self, self.launch(name))
        except MeasurementError as error:
            self._running.discard(name)
            raise MeasurementError(
                f"{self.name} did not start: {error}",
                timed_out=error.timed_out,
                out_of_memory=error.out_of_memory,
            ) from error

    @contextlib.contextmanager
    def _removed_on_failure(self, name: str) -> Iterator[list[int]]:
        """Have the helper remove an instance whose start fails in this context.

        The context holds a list of pidfds, whose processes are killed then.

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

    def recipe(self, name: str) -> Recipe:
        """Return the command that starts an instance; write the files that it will read."""
        raise NotImplementedError

    def locate(self, name: str, held: list[int]) -> Located:
        """Find what a detached command has left running; append its pidfds to ``held``."""
        raise NotImplementedError

    @contextlib.contextmanager
    def first_byte(self, name: str) -> Iterator[FirstByte]:
        """Hold the pipe on which the payload's first byte comes."""
        del name
        with FirstByte() as first:
            yield first

    def stamp(self, first: FirstByte, name: str) -> int | None:
        """Wait for the payload's first byte; its time in nanoseconds, None where none came."""
        del name
        return first.stamp(limits.START_TIMEOUT_S)

    def launch(self, name: str) -> Started:
        """Start an instance; on failure nothing of it is left.

        Raises:
            MeasurementError: It did not start, or its workload never ran.
        """
        recipe = self.recipe(name)
        output = os.memfd_create("output", os.MFD_CLOEXEC)
        # not the host's /dev/null: crun gives standard input to the container's root
        nothing = os.memfd_create("nothing", os.MFD_CLOEXEC)
        printed = os.memfd_create("printed", os.MFD_CLOEXEC)
        with ExitStack() as stack:
            for fd in (output, nothing, printed):
                stack.callback(os.close, fd)
            streams = {0: nothing, 1: printed if recipe.detached else output, 2: output}
            for number, content in recipe.inputs.items():
                streams[number] = os.memfd_create("input", os.MFD_CLOEXEC)
                stack.callback(os.close, streams[number])
                os.write(streams[number], content)
                os.lseek(streams[number], 0, os.SEEK_SET)
            held = stack.enter_context(self._removed_on_failure(name))
            first = stack.enter_context(self.first_byte(name))
            if recipe.stamp is not None:
                streams[recipe.stamp] = first.child
            launch = self._launch_detached if recipe.detached else self._launch_attached
            return launch(
                name, recipe=recipe, streams=streams, first=first, output=output, held=held
            )

    def _launch_detached(
        self,
        name: str,
        *,
        recipe: Recipe,
        streams: dict[int, int],
        first: FirstByte,
        output: int,
        held: list[int],
    ) -> Started:
        requested = time.monotonic_ns()
        called = self._helper.run(
            recipe.argv,
            limits.START_TIMEOUT_S,
            fds=tuple(streams.values()),
            targets=tuple(streams),
            env=recipe.environment,
            name=name,
            **recipe.request,
        )
        first.close_child_end()
        main = self.stamp(first, name) if called.status == 0 else None
        if main is None:
            raise start_error(output, called.status)
        pid, groups, services = self.locate(name, held)
        stamps = {"requested": requested, "spawned": called.spawned, "main": main}
        return Started(name, pid, tuple(held), stamps, groups, services)

    def _launch_attached(
        self,
        name: str,
        *,
        recipe: Recipe,
        streams: dict[int, int],
        first: FirstByte,
        output: int,
        held: list[int],
    ) -> Started:
        requested = time.monotonic_ns()
        answer, fds = self._helper.ask(
            "spawn",
            tuple(streams.values()),
            argv=recipe.argv,
            env=dict(recipe.environment),
            targets=tuple(streams),
            **recipe.request,
        )
        held += fds
        first.close_child_end()
        main = self.stamp(first, name)
        if main is None:
            # one that has ended has a status; one that still runs has used up its time
            gone = ended(fds[0], 0)
            status = self._helper.ask("status", pid=answer["pid"])[0]["status"] if gone else 0
            for pid in usage.descendants(answer["pid"])[1:]:  # they outlive the first
                with contextlib.suppress(ProcessLookupError):
                    held.append(os.pidfd_open(pid))
            raise start_error(output, status)
        pid = answer["pid"]
        held += map(os.pidfd_open, usage.descendants(pid)[1:])  # the first is itself
        stamps = {"requested": requested, "spawned": answer["spawned"], "main": main}
        return Started(name, pid, tuple(held), stamps, {})

    @contextlib.contextmanager
    def terminate(self, started: Started) -> Iterator[Command | None]:
        """Ask an instance to end: SIGTERM to its first process.

        The context holds the command that asks, or None; leaving it waits for the command.
        """
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(started.pidfds[0], signal.SIGTERM)
        yield None

    def was_killed(self, started: Started) -> bool:
        """Whether the command that asked an instance to end killed it."""
        del started
        return False

    def remove(self, started: Started) -> None:
        """Remove what an ended instance has left on the host."""
        self._running.discard(started.name)

    def execute(
        self,
        started: Started,
        args: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes,
    ) -> Completed:
        """Run a further command in an instance; not every kind can."""
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
        """Start the helper, and make what is made once for all instances."""
        raise NotImplementedError

    def close(self) -> None:
        """End what ``open`` has started; the helper is ended after it."""

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
