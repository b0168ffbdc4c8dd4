"""The engine: owns one spawner process and the containers it makes."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Self

from runtime import cgroups, kept_layer
from runtime.container import Container
from runtime.errors import ContainerError, EngineError, StateError
from runtime.executor import build
from runtime.plan import builder
from runtime.plan.programs import Programs
from runtime.recovery import record
from runtime.spawner.client import Link
from runtime.users import mappings, rootless

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from ipaddress import IPv4Network

    from runtime.network import Network
    from runtime.seccomp import Filter
    from runtime.spawner.client import Stdio
    from runtime.spec import Spec

_ID = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9_+.-]{0,127}")


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
        first_id: the host's id that root has in containers with the profiles' own mappings, where
            these ids exist (`rootless` is None).
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
        self._prepared: set[tuple[str, bool, tuple[str, str]]] = set()
        self._containers: dict[str, Container] = {}
        self._count = 0
        self._scope = ""
        self._network: Network | None = None
        #: What may be mapped where the profiles' own ids do not exist; None where they do.
        self.rootless = mappings.for_namespace() if os.geteuid() == 0 else mappings.for_user()
        executor = build()
        _clean_before(self.folder.parent)
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(0o755)  # also under a lax umask: `clean` asks
            (self.folder / "territory").mkdir()
        except OSError as error:
            raise EngineError(
                f"cannot make the state directory {self.folder}: {error.strerror}"
            ) from error
        self.link = Link(self.folder)
        try:
            answer = self.link.set_up(
                {
                    "marker": self.name,
                    "folder": str(self.folder),
                    "affinity": tuple(affinity or ()),
                    "memory_limit_bytes": memory_limit_bytes,
                    "executor": str(executor),
                    "rootless": os.geteuid() != 0,
                },
                self.rootless,
            )
        except BaseException:
            with contextlib.suppress(EngineError):
                self.close()
            raise
        self.cgroup_paths: dict[str, Path] = {k: Path(v) for k, v in answer["cgroups"].items()}
        self._scope = str(answer["scope"])
        self.has_init: bool = answer["has_init"]
        self.first_id = mappings.own_range(self.name)
        self.programs = Programs(self.rootless, has_init=self.has_init, first_id=self.first_id)
        #: The groups of every instance without one of its own: the spawner's, if it is in any.
        self.inherited_groups = self.cgroup_paths if memory_limit_bytes is not None else {}
        self.notes: list[str] = rootless.losses(self.rootless, answer["no_groups"])
        if not answer["no_groups"]:
            self.notes += cgroups.losses(self.cgroup_paths)

    @property
    def spawner_pid(self) -> int:
        """Process id of the spawner."""
        return self.link.pid

    @property
    def alive(self) -> bool:
        """Whether the spawner runs; without it nothing can be started any more."""
        return self.link.process.poll() is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the spawner, which kills and removes all that is left; idempotent.

        Raises:
            EngineError: something outlives it; the record stays, so that `runtime.clean` finds it.
        """
        if self._network:
            self._close_network()
        for container in list(self._containers.values()):
            container.let_go({})
        self._containers.clear()
        self.link.close()
        if self._scope:
            self._await_scope()
        if self.folder.is_dir():
            from runtime.recovery.cleanup import clean_up  # seldom: the spawner itself removes it

            try:
                clean_up(self.folder)
            except OSError as error:
                raise EngineError(
                    f"the engine {self.name} leaves something behind ({error}); "
                    "run 'tare clean' later"
                ) from error

    def _await_scope(self) -> None:
        from runtime.cgroups import systemd  # where systemd is asked for groups

        try:
            systemd.await_end(self._scope)
        except OSError as error:
            raise EngineError(f"the engine {self.name} has not ended: {error.strerror}") from error

    def network(
        self, *, subnet: IPv4Network | None = None, nat: bool = True, mtu: int | None = None
    ) -> Network:
        """The bridge to which containers can be attached, made at the first call.

        It ends with the engine. Costs a quarter of a second once, most of it imports.

        Args:
            subnet: of the bridge; a free one is found where None.
            nat: let containers reach what the host reaches.
            mtu: of the bridge and its links; the kernel's default where None.

        Raises:
            NetworkError: the kernel refuses, e.g. since the caller is an ordinary user.
        """
        if self._network is None:
            from runtime.network import Network  # costs a quarter of a second

            record.note_network(self.folder)
            self._network = Network(self.name, subnet=subnet, nat=nat, mtu=mtu)
            self.notes += self._network.notes
        return self._network

    def _close_network(self) -> None:
        """End the bridge; containers first, since links go faster with their namespaces."""
        assert self._network is not None
        for container in list(self._containers.values()):
            with contextlib.suppress(ContainerError):
                container.delete()
        self._network.close()
        self._network = None
        record.forget_network(self.folder)

    def prepare(self, spec: Spec) -> None:
        """Mount the image for this kind of container, so that no measured start has to.

        `run` does the same on the first use of an image.

        Raises:
            SpecError: the specification is wrong.
        """
        from runtime.spec.validation import validate  # before the first start, not at import

        validate(spec)
        shared = spec.linux.namespace("mount") is None
        image = _image(spec)
        mapping = self.programs.shift(spec)
        key = (image, shared, mapping)
        if key in self._prepared:
            return
        answer, _ = self.link.ask(
            {
                "verb": "prepare",
                "what": f"prepare the image {image}",
                "image": image,
                "mapping": mapping,
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
        attach: bool = False,
    ) -> Container:
        """Create and start a container in one request.

        Returns when the workload (or the init above it) has been executed.

        Args:
            spec: what to run.
            id: name, unique within the engine; one is made up where it is None.
            stdio: descriptors for standard input, output and error; /dev/null where None.
            extra_fds: number in the container to descriptor here.
            steps: record the clock after every step of the set-up (`Container.steps`).
            attach: give it an interface on the engine's bridge (`network`, `Container.attachment`).

        Raises:
            SpecError: the specification is wrong.
            SetupError: the kernel refused a step; nothing is left.
            ExecError: the program does not exist in the image or cannot be executed.
            StateError: the id is in use or not usable.
            EngineError: the spawner is gone.
        """
        container = self._make(spec, id, stdio, extra_fds, steps=steps, paused=attach)
        if attach:
            try:
                container.attach()
                container.start()
            except BaseException:
                container.delete()
                raise
        return container

    def report(
        self,
        spec: Spec,
        reporting: Filter,
        *,
        stdio: Stdio | None = None,
        extra_fds: Mapping[int, int] | None = None,
    ) -> Container:
        """Run under a filter that reports calls, in place of the specification's own.

        Somebody has to answer at `Container.listener` from now on, or the container stands still
        (seccomp_unotify(2)); `learning.learn` does. Returns before the workload has been executed:
        that it cannot be shows in its exit status, 125. Arguments and errors are those of `run`.

        Args:
            spec: what to run; it must have a filter.
            reporting: compiled, with SECCOMP_FILTER_FLAG_NEW_LISTENER among its flags.
            stdio: as for `run`.
            extra_fds: likewise.
        """
        return self._make(
            spec, None, stdio, extra_fds, steps=False, paused=False, reporting=reporting
        )

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
        reporting: Filter | None = None,
    ) -> Container:
        requested = time.monotonic_ns()
        if name is None:
            self._count += 1
            name = f"c{self._count}"
        elif not _ID.fullmatch(name):
            raise StateError(f"{name!r} cannot be an id: use letters, digits, _ + - and .")
        if isinstance(spec.root.upper, Path):
            uid_map = self.programs.shift(spec)[0]
            kept_layer.make(spec.root.upper, int(uid_map.split()[1]) if uid_map else None)
        planned = self.programs.kept(spec, paused=paused)
        if planned is None or reporting is not None:
            self.prepare(spec)
            planned = self.programs.create(spec, paused=paused, reporting=reporting)
        message = {
            "verb": "run",
            "what": f"start {name}",
            "id": name,
            "requested": requested,
            "program": planned.encoded,
            "mapping": self.programs.shift(spec),
            "maps_ids": builder.mapping(spec) != ("", ""),
            "image": _image(spec),
            "shared_root": spec.linux.namespace("mount") is None,
            "shares_pids": spec.linux.namespace("pid") is None,
            "resources": asdict(spec.linux.resources) if spec.linux.cgroup else None,
            "time_steps": steps,
            "paused": paused,
        }
        answer, fds = self.link.start(message, planned.operations, stdio, extra_fds)
        container = Container(self, name, spec, planned.operations, answer, fds)
        self._containers[name] = container
        return container

    def forget(self, container_id: str) -> None:
        """Know a container no more that is deleted; for its own use."""
        self._containers.pop(container_id, None)


def _clean_before(state: Path) -> None:
    """Remove what engines that were killed have left in the same state directory."""
    if state.is_dir() and any(entry.name.startswith("tare-") for entry in state.iterdir()):
        from runtime.recovery.cleanup import clean  # seldom

        with contextlib.suppress(OSError, ContainerError):  # what resists is for `clean` to name
            clean(state)


def _image(spec: Spec) -> str:
    """The tree as the spawner, whose working directory is another, has to name it."""
    return str(spec.root.path.absolute())
