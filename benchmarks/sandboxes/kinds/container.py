"""``native`` and ``container``: a bare process and a container, made by the same engine.

``native`` is the engine's chroot without any namespace, so the two differ only in what a container
adds.
"""

import contextlib
import copy
import itertools
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

import runtime
from benchmarks.errors import MeasurementError, UnsuitableHostError
from benchmarks.host import leftovers as audit
from benchmarks.results.records import SandboxInfo
from benchmarks.sandboxes import limits, processes
from benchmarks.sandboxes.additions import ADDITIONS
from benchmarks.sandboxes.base import (
    ENVIRONMENT,
    PAYLOAD,
    STAMP_DESCRIPTOR,
    Completed,
    Endpoint,
    Setting,
    Testbed,
)
from benchmarks.sandboxes.capture import FirstByte, Pipes
from benchmarks.sandboxes.registry import HOST, Kind, SandboxName, register
from benchmarks.sandboxes.testbed import BridgeTestbed
from runtime import network
from runtime.harness import usage


class ContainerInstance:
    """A running container (or chroot)."""

    def __init__(self, container: runtime.Container, stamps: Mapping[str, int]) -> None:
        """Take over a container whose payload has reported its first instruction."""
        self._container = container
        self._stamps = dict(stamps)

    @property
    def stamps(self) -> Mapping[str, int]:
        """Boundaries passed so far."""
        return self._stamps

    def run(self, args: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """Run a command inside and wait for it."""
        what = f"{args[0]} in the {self._container.id.partition('-')[0]} sandbox"
        with Pipes(stdin) as pipes:
            killed = self._container.oom_kills()
            started = time.monotonic_ns()
            try:
                process = self._container.exec(args, env=ENVIRONMENT, stdio=pipes.stdio)
            except runtime.ContainerError as error:
                raise MeasurementError(f"cannot run {what}: {error}") from error
            with process:
                try:
                    out, err = pipes.collect(timeout_s, what)
                    left = timeout_s - (time.monotonic_ns() - started) / 1e9
                    code = process.wait(max(left, 0.1))
                except runtime.ContainerError as error:
                    process.kill()
                    raise MeasurementError(f"cannot follow {what}: {error}") from error
                except BaseException:
                    process.kill()
                    raise
                ended = time.monotonic_ns()
                if code is None:
                    process.kill()
                    raise MeasurementError(
                        f"{what} did not end within {timeout_s:g} s",
                        timed_out=True,
                    )
        self._refuse_oom(killed, what)
        return Completed(code, out, err, (ended - started) / 1e9)

    @property
    def pid(self) -> int:
        """Host pid of its first process."""
        return self._container.pid

    def _refuse_oom(self, before: int, what: str) -> None:
        """Tell a command that lacked memory from one that failed for another reason.

        Raises:
            MeasurementError: The kernel's OOM killer has killed more processes than ``before``.
        """
        killed = self._container.oom_kills() - before
        if killed:
            raise MeasurementError(
                f"{what} ran out of memory: the kernel killed {killed} of its processes at the "
                "container's limit; give the campaign more memory_mib",
                out_of_memory=True,
            )

    def pids(self) -> list[int]:
        """Return the host processes of the instance."""
        try:
            return self._container.pids()
        except runtime.ContainerError as error:
            raise MeasurementError(f"cannot list the container's processes: {error}") from error

    def cpu_seconds(self) -> float | None:
        """Return the CPU time charged to the container; None without a group of its own."""
        try:
            return self._container.cpu_time_s()
        except runtime.ContainerError as error:
            raise MeasurementError(f"cannot read the container's CPU time: {error}") from error

    def charged_cpu_seconds(self) -> float | None:
        """Return the CPU time charged to its own group; None without one."""
        return usage.group_cpu_s(self._container.cgroup_paths)

    def memory(self) -> Mapping[str, float | None]:
        """Return the ladder over all its processes, and what its cgroup is charged."""
        try:
            charged = self._container.memory()
            pids = self._container.pids()
        except runtime.ContainerError as error:
            raise MeasurementError(f"cannot read the container's memory: {error}") from error
        return {**processes.ladder(pids), **processes.charges(charged)}

    def stop(self) -> None:
        """Stop and delete it."""
        try:
            self._container.stop(limits.STOP_GRACE_S)
            self._stamps.update(self._container.stamps)
            self._container.delete()
        except runtime.ContainerError as error:
            raise MeasurementError(f"the container did not stop: {error}") from error
        if self._container.forced:
            raise MeasurementError(
                f"the container did not stop within {limits.STOP_GRACE_S:g} s and was killed",
                timed_out=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.stop()
            return
        with contextlib.suppress(runtime.ContainerError):
            self._container.kill()
            self._container.delete()


class ContainerSandbox:
    """Starts containers of one profile; ``native`` is the profile without any isolation."""

    def __init__(self, name: str, setting: Setting) -> None:
        """Check what can be checked before the engine runs.

        Raises:
            UnsuitableHostError: Not root, or no image.
        """
        if os.geteuid() != 0:
            raise UnsuitableHostError(
                f"the sandbox {name!r} needs root to pin it and to limit its memory; "
                "run tare as root",
            )
        if setting.image_root is None:
            raise UnsuitableHostError(
                f"the sandbox {name!r} needs an image; make one with `tare image build`",
            )
        self._native = name == HOST
        self._name = name
        self._setting = setting
        self._numbers = itertools.count()
        self._stack = ExitStack()
        self._opened = False
        self._joins: dict[Path, runtime.Spec] = {}
        variant = SandboxName.parse(name).variant or "default"
        self._profile = HOST if self._native else variant
        resources = setting.resources
        self._spec = self._make_spec(setting.image_root)
        boundaries = ("spawned", "ready", "main")
        self._info = SandboxInfo(
            name=name,
            kind=HOST if self._native else "container",
            profile=self._profile,
            boundaries=boundaries,
            details={
                "engine": "tare runtime",
                "cpuset": list(resources.cpuset),
                "isolation": _isolation(self._spec),
            },
        )

    def _make_spec(self, rootfs: Path) -> runtime.Spec:
        args, env = list(PAYLOAD), dict(ENVIRONMENT)
        if self._native:
            return runtime.profiles.native(rootfs=rootfs, args=args, env=env)
        resources = limits.of_container(self._setting.resources)
        addition = ADDITIONS.get(self._profile)
        base = "default" if addition else self._profile
        ablated = base.removeprefix("no-")
        make = runtime.profiles.PROFILES["default" if ablated != base else base]
        spec: runtime.Spec = make(rootfs=rootfs, args=args, env=env, resources=resources)
        if ablated != base:
            return runtime.profiles.without(spec, ablated)
        return spec if addition is None else addition.before_engine(spec)

    @property
    def info(self) -> SandboxInfo:
        """What the run folder says of it."""
        notes = tuple(self._engine.notes) if self._opened else ()
        return msgspec.structs.replace(self._info, caveats=(*self._info.caveats, *notes))

    def start(self) -> ContainerInstance:
        """Start one and wait for its first instruction."""
        return self._start(self._spec)

    @contextmanager
    def networked(self, testbed: Testbed) -> Iterator[Endpoint]:
        """Start one on a testbed: by a veth pair, or in its namespace where it has none of its own.

        Without a network of its own a sandbox uses its host's, and the testbed stands for the host.
        """
        if self._spec.linux.namespace("network") is None:
            with self._start(self._joined(testbed.path)) as instance:
                yield Endpoint(instance, testbed.host_address)
        else:
            with self.start() as instance, testbed.attached(instance.pid) as address:
                yield Endpoint(instance, address)

    def _joined(self, namespace: Path) -> runtime.Spec:
        """Return the specification that joins a network namespace; the same one every time.

        So the engine recognises it and prepares it once.
        """
        if namespace not in self._joins:
            self._joins[namespace] = network.join(self._spec, namespace)
        return self._joins[namespace]

    def _start(self, spec: runtime.Spec) -> ContainerInstance:
        number = next(self._numbers)
        identifier = f"{self._name.replace(':', '.')}-{os.getpid()}-{number}"
        with FirstByte() as first, Pipes() as pipes:
            try:
                container = self._engine.run(
                    spec,
                    id=identifier,
                    stdio=pipes.stdio,
                    extra_fds={STAMP_DESCRIPTOR: first.child},
                )
            except runtime.ContainerError as error:
                raise MeasurementError(f"the {self._name} did not start: {error}") from error
            first.close_child_end()
            main = first.stamp(limits.START_TIMEOUT_S)
            if main is None:
                with contextlib.suppress(runtime.ContainerError):
                    container.kill()
                    container.delete()
                raise MeasurementError(
                    f"the workload of {self._name} never ran its first instruction",
                    timed_out=True,
                )
        return ContainerInstance(container, {**container.stamps, "main": main})

    def resized(self, memory_bytes: int) -> Self | None:
        """Return this sandbox with another memory limit; None where no instance has its own."""
        if self._native or not self._spec.linux.cgroup:
            return None
        other = copy.copy(self)
        resources = msgspec.structs.replace(self._setting.resources, memory_bytes=memory_bytes)
        other._setting = replace(self._setting, resources=resources)  # noqa: SLF001  # our own
        other._spec = other._make_spec(self._spec.root.path)  # noqa: SLF001
        return other

    def leftovers(self) -> list[str]:
        """Name what is left of containers that should be gone."""
        own = audit.traces(self._engine.name, self._engine.cgroup_paths.values())
        return [*own, *runtime.leftovers(self._state)]

    def __enter__(self) -> Self:
        resources = self._setting.resources
        self._state = self._setting.state / self._name.replace(":", ".")
        try:
            self._engine = self._stack.enter_context(
                runtime.Engine(
                    state=self._state,
                    affinity=frozenset(resources.cpuset),
                    memory_limit_bytes=resources.memory_bytes if self._native else None,
                ),
            )
            if addition := ADDITIONS.get(self._profile):
                self._spec = addition.with_engine(self._engine, self._spec, self._setting)
            self._engine.prepare(self._spec)
            self._opened = True
        except runtime.ContainerError as error:
            raise UnsuitableHostError(
                f"the sandbox {self._name!r} cannot be had here: {error}",
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()


def _isolation(spec: runtime.Spec) -> dict[str, object]:
    """Describe in OCI's words what a specification isolates."""
    capabilities = spec.process.capabilities
    return {
        "namespaces": [namespace.type for namespace in spec.linux.namespaces],
        "capabilities": None if capabilities is None else sorted(capabilities),
        "noNewPrivileges": spec.process.no_new_privileges,
        "seccomp": spec.linux.seccomp,
        "maskedPaths": list(spec.linux.masked_paths),
        "readonlyPaths": list(spec.linux.readonly_paths),
    }


_ABLATED = (
    "pid", "uts", "mnt", "ipc", "net", "user", "cgroup",
    "seccomp", "capabilities", "masks", "no_new_privs",
)  # fmt: skip

register(
    Kind(
        name=HOST,
        title="a bare process in the image, pinned and limited as all others are",
        names=(HOST,),
        open=ContainerSandbox,
        limits="CPU affinity and the memory cgroup of the process that starts it",
        network="none of its own: it shares its server's namespace and reaches it over loopback",
        isolation="none",
        needs=("root", "namespaces", "overlay", "image"),
        testbed=BridgeTestbed,
        lacks=dict.fromkeys(processes.GROUPED, "it is in the group of the process that starts it"),
        suite_rounds=30,
    )
)
register(
    Kind(
        name="container",
        title="a container of tare's own runtime",
        names=(
            "container",
            *(f"container:{profile}" for profile in ("bare", "docker-like", "hardened")),
            *(f"container:no-{technology}" for technology in _ABLATED),
            *(f"container:{addition}" for addition in ADDITIONS),
        ),
        open=ContainerSandbox,
        limits="CPU affinity, CFS quota and memory limit of its own cgroup, pids limit",
        network="a veth pair, one end a port of the testbed's bridge",
        needs=("root", "namespaces", "overlay", "seccomp", "image"),
        suite_rounds=30,
    )
)
