"""The engine: owns one spawner process and the containers it makes."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from runtime import cgroups, mappings, plan, record, rootless, wire
from runtime.container import Container
from runtime.errors import (
    CgroupError,
    EngineError,
    ExecError,
    SetupError,
    StateError,
)
from runtime.executor import build
from runtime.operations.encoding import encode
from runtime.record import start_time as start_time  # noqa: PLC0414  # other users look here

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runtime.operations import Operation
    from runtime.spec import Spec

_PACKAGE_PARENT = Path(__file__).resolve().parent.parent
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from runtime.spawner.main import main; main({})"
)
_ID = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9_+.-]{0,127}")
_START_S = 20.0
#: Longer than any answer takes; past it the spawner hangs.
_ANSWER_S = 60.0
_PLANS_KEPT = 256
Stdio = tuple[int, int, int]


class Engine:
    """Makes containers; a context manager whose end leaves nothing behind.

    Thread-safe. Needs root (or CAP_SYS_ADMIN over a user namespace of its own).

    Args:
        state: directory for what `runtime.clean` needs to know; made where it is missing.
        affinity: CPUs the spawner and hence everything without a cpuset of its own runs on.
        memory_limit_bytes: limit that the spawner and all native instances share.

    Attributes:
        name: random, in the path of everything the engine makes.
        folder: its own directory below `state`.
        cgroup_paths: controller ("unified" on cgroup v2) to the engine's group; empty without one.
        has_init: whether an init program was found on this host.
        notes: sentences, one for each thing that this host lacks and its containers hence do
            without; what concerns an image comes with its `prepare`. Belongs into every report.

    Raises:
        EngineError: the spawner could not start; says why.
        UnsupportedError: the executor cannot be built on this host.
    """

    def __init__(
        self,
        state: Path,
        *,
        affinity: Iterable[int] | None = None,
        memory_limit_bytes: int | None = None,
    ) -> None:
        self.name = f"tare-{secrets.token_hex(6)}"
        self.folder = Path(state).resolve() / self.name
        self._sending = threading.Lock()
        self._programs: dict[tuple[int, bool], tuple[Spec, Sequence[Operation], bytes]] = {}
        self._prepared: set[tuple[str, bool, str]] = set()
        self._containers: dict[str, Container] = {}
        self._count = 0
        #: What an ordinary user may map; None for root, who may map anything.
        self.rootless = None if os.geteuid() == 0 else mappings.for_user()
        executor = build()
        try:
            (self.folder / "territory").mkdir(parents=True)
        except OSError as error:
            raise EngineError(
                f"cannot make the state directory {self.folder}: {error.strerror}"
            ) from error
        self._channel, self._process = self._start_process()
        try:
            answer = self._set_up(
                {
                    "marker": self.name,
                    "folder": str(self.folder),
                    "affinity": tuple(affinity or ()),
                    "memory_limit_bytes": memory_limit_bytes,
                    "executor": str(executor),
                    "rootless": self.rootless is not None,
                }
            )
        except BaseException:
            with contextlib.suppress(EngineError):
                self.close()
            raise
        self.cgroup_paths: dict[str, Path] = {k: Path(v) for k, v in answer["cgroups"].items()}
        self.has_init: bool = answer["has_init"]
        #: Whether the spawner, and so every instance without a group of its own, is in the group.
        self.inherits_group = memory_limit_bytes is not None and bool(self.cgroup_paths)
        self.notes: list[str] = rootless.losses(self.rootless, answer["no_groups"])
        if self.cgroup_paths or not self.rootless:
            self.notes += cgroups.losses(self.cgroup_paths)

    def _set_up(self, settings: dict[str, Any]) -> dict[str, Any]:
        try:
            record.write(self.folder, self._process.pid, {})
            wire.send(self._channel, settings)
            answer, _ = wire.receive(self._channel)
            if "unshared" in answer:
                rootless.map_ids(self._process.pid, self.rootless)
                wire.send(self._channel, {})
                answer, _ = wire.receive(self._channel)
            if "error" not in answer:
                record.write(self.folder, self._process.pid, answer["cgroups"])
        except (OSError, EOFError) as error:
            raise EngineError(
                f"the spawner with the state directory {self.folder} died while starting: {error}"
            ) from error
        if "error" in answer:
            hint = ""
            if answer["errno"] in {errno.EPERM, errno.EACCES}:
                hint = "; containers need root, and mount namespaces allowed"
            raise EngineError(f"the spawner cannot start: {answer['error']}{hint}")
        self._channel.settimeout(_ANSWER_S)
        return dict(answer)

    @property
    def spawner_pid(self) -> int:
        """Process id of the spawner."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the spawner, which kills and removes all that is left; idempotent.

        Raises:
            EngineError: something outlives it; the record stays, so that `runtime.clean` finds it.
        """
        for container in list(self._containers.values()):
            container.let_go({})
        self._containers.clear()
        self._channel.close()
        try:
            self._process.wait(_START_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self.folder.is_dir():
            from runtime.cleanup import clean_up  # seldom: the spawner itself removes it

            try:
                clean_up(self.folder)
            except OSError as error:
                raise EngineError(
                    f"the engine {self.name} leaves something behind ({error}); "
                    "run 'tare clean' later"
                ) from error

    def prepare(self, spec: Spec) -> None:
        """Mount the image for this kind of container, so that no measured start has to.

        `run` does the same on the first use of an image.
        """
        spec.validate()
        shared = spec.linux.namespace("mount") is None
        image = _image(spec)
        key = (image, shared, repr(spec.linux.uid_mappings))
        if key in self._prepared:
            return
        answer, _ = self.ask(
            {
                "verb": "prepare",
                "what": f"prepare the image {image}",
                "image": image,
                "mapping": self._shift(spec),
                "shared_root": shared,
            }
        )
        self.notes += [note for note in answer["notes"] if note not in self.notes]
        self._prepared.add(key)

    def run(
        self,
        spec: Spec,
        *,
        id: str | None = None,  # noqa: A002  # OCI's word
        stdio: Stdio | None = None,
        extra_fds: Mapping[int, int] | None = None,
        steps: bool = False,
    ) -> Container:
        """Create and start a container in one request.

        Returns when the workload (or the init above it) has been executed.

        Args:
            spec: what to run.
            id: name, unique within the engine; one is made up where it is None.
            stdio: descriptors for standard input, output and error; /dev/null where None.
            extra_fds: number in the container to descriptor here.
            steps: record the clock after every step of the set-up (`Container.steps`).

        Raises:
            SpecError: the specification is wrong.
            SetupError: the kernel refused a step; nothing is left.
            ExecError: the program does not exist in the image or cannot be executed.
            StateError: the id is in use or not usable.
            EngineError: the spawner is gone.
        """
        return self._make(spec, id, stdio, extra_fds, steps=steps, paused=False)

    def _shift(self, spec: Spec) -> tuple[str, str]:
        """By what the owners of the image's files are shifted; an ordinary user owns them as is."""
        return ("", "") if self.rootless else plan.mapping(spec)

    def create(
        self,
        spec: Spec,
        *,
        id: str | None = None,  # noqa: A002  # OCI's word
        stdio: Stdio | None = None,
        extra_fds: Mapping[int, int] | None = None,
    ) -> Container:
        """Create a container whose workload waits for `Container.start`.

        Its namespaces, limits and file systems are complete; filter and exec follow with the
        start. Arguments and errors are those of `run`, but for ExecError, which `start` raises.
        """
        return self._make(spec, id, stdio, extra_fds, steps=False, paused=True)

    def _make(
        self,
        spec: Spec,
        name: str | None,
        stdio: Stdio | None,
        extra_fds: Mapping[int, int] | None,
        *,
        steps: bool,
        paused: bool,
    ) -> Container:
        requested = time.monotonic_ns()
        if name is None:
            self._count += 1
            name = f"c{self._count}"
        elif not _ID.fullmatch(name):
            raise StateError(f"{name!r} cannot be an id: use letters, digits, _ + - and .")
        operations, encoded = self._program(spec, paused=paused)
        message = {
            "verb": "run",
            "what": f"start {name}",
            "id": name,
            "requested": requested,
            "program": encoded,
            "mapping": self._shift(spec),
            "maps_ids": plan.mapping(spec) != ("", ""),
            "image": _image(spec),
            "shared_root": spec.linux.namespace("mount") is None,
            "shares_pids": spec.linux.namespace("pid") is None,
            "resources": asdict(spec.linux.resources) if spec.linux.cgroup else None,
            "time_steps": steps,
            "paused": paused,
        }
        answer, fds = self.start(message, operations, stdio, extra_fds)
        container = Container(self, name, spec, operations, answer, fds)
        self._containers[name] = container
        return container

    def _program(self, spec: Spec, *, paused: bool) -> tuple[Sequence[Operation], bytes]:
        known = self._programs.get((id(spec), paused))
        if known is not None and known[0] is spec:
            return known[1:]
        self.prepare(spec)
        fitted = rootless.fit(spec, self.rootless) if self.rootless else spec
        if spec.process.init and not spec.native and not self.has_init:
            raise EngineError(
                "no init program on this host: install catatonit or tini, or set process.init off"
            )
        operations = self.permitted(plan.create(fitted, paused=paused))
        encoded = encode(plan.program(fitted, spec.process, operations, filter=self.filter(spec)))
        if len(self._programs) >= _PLANS_KEPT:
            self._programs.clear()
        self._programs[id(spec), paused] = (spec, operations, encoded)
        return operations, encoded

    def permitted(self, operations: list[Operation]) -> list[Operation]:
        """The steps as whoever runs the engine may take them; for containers' own use."""
        if self.rootless and rootless.unprivileged(self.rootless):
            return plan.without_setgroups(operations)
        return operations

    @staticmethod
    def filter(spec: Spec) -> bytes:
        """The filter of a specification as a BPF program, b"" for none.

        Raises:
            SpecError: there is no such profile.
            UnsupportedError: libseccomp is missing or refuses.
        """
        if spec.linux.seccomp is None:
            return b""
        from runtime.seccomp import compile_profile  # only where wanted

        return compile_profile(spec.linux.seccomp)

    def start(
        self,
        message: dict[str, Any],
        operations: Sequence[Operation],
        stdio: Stdio | None,
        extra: Mapping[int, int] | None,
    ) -> tuple[dict[str, Any], list[int]]:
        """Have the spawner make a process; for containers' own use."""
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
        """Ask the spawner something; for containers' own use.

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
                    f"the spawner (pid {self.spawner_pid}) does not answer for {_ANSWER_S:g} s "
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


def _image(spec: Spec) -> str:
    """The tree as the spawner, whose working directory is another, has to name it."""
    return str(spec.root.path.absolute())


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
