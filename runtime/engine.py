"""The engine: owns one spawner process and the containers it makes."""

from __future__ import annotations

import contextlib
import errno
import marshal
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

from runtime import cgroups, operations, plan, record, wire
from runtime.container import Container
from runtime.errors import CgroupError, EngineError, ExecError, SetupError, StateError
from runtime.record import start_time as start_time  # noqa: PLC0414  # other users look here

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runtime.spec import IdMapping, Spec

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
        self._plans: dict[int, tuple[Spec, bytes]] = {}
        self._prepared: set[tuple[str, bool, str]] = set()
        self._filters: set[str] = set()
        self._containers: dict[str, Container] = {}
        self._count = 0
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
        self.notes: list[str] = cgroups.losses(self.cgroup_paths)

    def _set_up(self, settings: dict[str, Any]) -> dict[str, Any]:
        try:
            record.write(self.folder, self._process.pid, {})
            wire.send(self._channel, settings)
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
        name = spec.linux.seccomp
        if key in self._prepared and (name is None or name in self._filters):
            return
        filters = {}
        if name is not None and name not in self._filters:
            from runtime.seccomp import compile_profile  # only where wanted

            filters[name] = compile_profile(name)
        answer, _ = self._ask(
            {
                "verb": "prepare",
                "what": f"prepare the image {image}",
                "image": image,
                "mapping": _mapping(spec),
                "shared_root": shared,
                "filters": filters,
            }
        )
        self.notes += [note for note in answer["notes"] if note not in self.notes]
        self._prepared.add(key)
        self._filters.update(filters)

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
        requested = time.monotonic_ns()
        if id is None:
            self._count += 1
            id = f"c{self._count}"  # noqa: A001  # OCI's word
        elif not _ID.fullmatch(id):
            raise StateError(f"{id!r} cannot be an id: use letters, digits, _ + - and .")
        encoded = self._plan(spec)
        process = spec.process
        message = {
            "verb": "run",
            "what": f"start {id}",
            "id": id,
            "requested": requested,
            "plan": encoded,
            "flags": plan.clone_flags(spec),
            "mapping": _mapping(spec),
            "image": _image(spec),
            "shared_root": spec.linux.namespace("mount") is None,
            "resources": asdict(spec.linux.resources) if spec.linux.cgroup else None,
            "oom_score_adj": process.oom_score_adj,
            "argv": process.args,
            "env": tuple(f"{name}={value}" for name, value in process.env.items()),
            "time_steps": steps,
        }
        answer, fds = self._start(message, stdio, extra_fds)
        container = Container(self, id, spec, answer, fds[0])
        self._containers[id] = container
        return container

    def _plan(self, spec: Spec) -> bytes:
        known = self._plans.get(id(spec))
        if known is not None and known[0] is spec:
            return known[1]
        self.prepare(spec)
        if spec.process.init and not spec.native and not self.has_init:
            raise EngineError(
                "no init program on this host: install catatonit or tini, or set process.init off"
            )
        encoded = marshal.dumps(operations.encode(plan.create(spec)))
        if len(self._plans) >= _PLANS_KEPT:
            self._plans.clear()
        self._plans[id(spec)] = (spec, encoded)
        return encoded

    def _start(
        self, message: dict[str, Any], stdio: Stdio | None, extra: Mapping[int, int] | None
    ) -> tuple[dict[str, Any], list[int]]:
        null = -1
        if stdio is None:
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            stdio = (null, null, null)
        try:
            descriptors = dict(enumerate(stdio)) | dict(extra or {})
            message["targets"] = tuple(descriptors)
            return self._ask(message, tuple(descriptors.values()))
        finally:
            if null >= 0:
                os.close(null)

    def _ask(
        self, message: dict[str, Any], fds: tuple[int, ...] = ()
    ) -> tuple[dict[str, Any], list[int]]:
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


def _mapping(spec: Spec) -> tuple[str, str]:
    if spec.linux.namespace("user") is None:
        return ("", "")
    return (_lines(spec.linux.uid_mappings), _lines(spec.linux.gid_mappings))


def _lines(mappings: Iterable[IdMapping]) -> str:
    return "".join(f"{m.container_id} {m.host_id} {m.size}\n" for m in mappings)


def _raise(kind: str, operation: str, reason: str, number: int, *, what: str) -> None:
    if kind == "Exec":
        raise ExecError(operation, reason, number)
    if kind in ("FileExistsError", "KeyError"):
        raise StateError(f"cannot {what}: {reason}")
    error = CgroupError if kind == "CgroupOSError" else SetupError
    raise error(operation, reason, number)
