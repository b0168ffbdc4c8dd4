"""The engine: owns one spawner process and the containers it makes."""

from __future__ import annotations

import json
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

from runtime import operations, plan, wire
from runtime.container import Container
from runtime.errors import CgroupError, EngineError, ExecError, SetupError, StateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runtime.spec import IdMapping, Spec

_PACKAGE_PARENT = Path(__file__).resolve().parent.parent
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from runtime.spawner.main import main; main({})"
)
_ID = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9_+.-]{0,127}")
_START_S = 20.0
_PLANS_KEPT = 256
Stdio = tuple[int, int, int]


class Engine:
    """Makes containers; a context manager whose end leaves nothing behind.

    Thread-safe. Needs root (or CAP_SYS_ADMIN over a user namespace of its own).

    Args:
        state: directory for what `runtime.clean` needs to know; made where it is missing.
        affinity: CPUs the spawner and hence everything without a cpuset of its own runs on.
        memory_limit_bytes: limit that the spawner and all native instances share.

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
        self.notes: list[str] = []
        try:
            (self.folder / "territory").mkdir(parents=True)
        except OSError as error:
            raise EngineError(
                f"cannot make the state directory {self.folder}: {error.strerror}"
            ) from error
        self._channel, self._process = self._start_process()
        settings = {
            "marker": self.name,
            "folder": str(self.folder),
            "affinity": tuple(affinity or ()),
            "memory_limit_bytes": memory_limit_bytes,
        }
        self._record({})
        try:
            wire.send(self._channel, settings)
            answer, _ = wire.receive(self._channel)
        except (OSError, EOFError) as error:
            self._process.kill()
            self._process.wait()
            self._channel.close()
            raise EngineError(f"the spawner died while starting: {error}") from error
        if "error" in answer:
            self.close()
            raise EngineError(
                f"the spawner cannot start: {answer['error']}; containers need root, and mount "
                "namespaces allowed"
            )
        self._channel.settimeout(None)
        self.cgroup_paths: dict[str, Path] = {k: Path(v) for k, v in answer["cgroups"].items()}
        self.has_init: bool = answer["has_init"]
        #: Whether the spawner, and so every instance without a group of its own, is in the group.
        self.inherits_group = memory_limit_bytes is not None and bool(self.cgroup_paths)
        self._record(answer["cgroups"])

    @property
    def spawner_pid(self) -> int:
        """Process id of the spawner."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the spawner, which kills and removes all that is left; idempotent."""
        self._channel.close()
        try:
            self._process.wait(_START_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for name in ("engine.json", "territory"):
            path = self.folder / name
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        if self.folder.is_dir():
            self.folder.rmdir()

    def prepare(self, spec: Spec) -> None:
        """Mount the image for this kind of container, so that no measured start has to.

        `run` does the same on the first use of an image.
        """
        spec.validate()
        shared = spec.linux.namespace("mount") is None
        image = str(spec.root.path.resolve())
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
        self.notes = answer["notes"]
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
            "image": str(spec.root.path),
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
        with ours:
            try:
                with theirs, self._sending:
                    wire.send(self._channel, message, (theirs.fileno(), *fds))
                answer, received = wire.receive(ours)
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

    def _record(self, cgroups: dict[str, str]) -> None:
        """Write down what a later `clean` needs; replaced in one step."""
        record = {
            "engine": self.name,
            "pid": self._process.pid,
            "started": start_time(self._process.pid),
            "boot_id": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            "cgroups": cgroups,
        }
        part = self.folder / "engine.json.part"
        part.write_text(json.dumps(record))
        part.replace(self.folder / "engine.json")


def start_time(pid: int) -> int | None:
    """Start of a process in clock ticks since boot (field 22 of stat), None where it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


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
