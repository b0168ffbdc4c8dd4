"""``oci:NAME``: any OCI runtime on the host, by its standard command line.

``run --detach`` starts an instance, ``exec`` runs a command in it, ``kill`` and ``delete`` end it.
The bundle expresses the default profile as far as OCI can; ``info.details`` lists the differences.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import runtime
from benchmarks.errors import MeasurementError, NotSupportedError, UnsuitableHostError
from benchmarks.host import programs
from benchmarks.results.records import SandboxInfo
from benchmarks.sandboxes import limits
from benchmarks.sandboxes.base import (
    ENVIRONMENT,
    PAYLOAD,
    STAMP_DESCRIPTOR,
    Completed,
    Endpoint,
    Setting,
    Testbed,
)
from benchmarks.sandboxes.capture import Pipes
from benchmarks.sandboxes.external import oci_bundle
from benchmarks.sandboxes.external.client import (
    SEARCH_PATH,
    Command,
    Helper,
    without_message,
)
from benchmarks.sandboxes.external.instance import Started
from benchmarks.sandboxes.external.sandbox import ExternalSandbox, Located, Recipe
from benchmarks.sandboxes.registry import NO_CGROUP, Kind, register
from runtime.harness import CANDIDATES, layout

OWN_STACK = (
    "no network between sandboxes: its own network stack takes no interface that comes after its "
    "start"
)
"""The reason why some runtimes cannot be connected to a testbed."""


@dataclass(frozen=True)
class Dialect:
    """Differences of a runtime's command line from the others'.

    Attributes:
        keep: Options of ``run`` that hand the payload its stamp descriptor.
        options: Options before the verb.
        no_cgroup: Options before the verb that leave control groups alone; None where impossible.
        hides_unified: Whether it refuses the hybrid layout unless the v2 hierarchy is out of sight.
        own_stack: Whether it has a network stack of its own, which takes over the interfaces that
            are there when it starts and sees no later ones.
    """

    keep: tuple[str, ...] = ("--preserve-fds", "1")
    options: tuple[str, ...] = ()
    no_cgroup: tuple[str, ...] | None = None
    hides_unified: bool = False
    own_stack: bool = False


DIALECTS = {
    "crun": Dialect(
        options=("--cgroup-manager=cgroupfs",),
        no_cgroup=("--cgroup-manager=disabled",),
        hides_unified=True,
    ),
    "runsc": Dialect(
        keep=("--pass-fd", f"{STAMP_DESCRIPTOR}:{STAMP_DESCRIPTOR}"),
        own_stack=True,
    ),
}


class OciSandbox(ExternalSandbox):
    """Starts containers by an external runtime."""

    def __init__(self, name: str, setting: Setting) -> None:
        """Find the runtime.

        Raises:
            UnsuitableHostError: It is not installed, or lacks what the variant asks for.
        """
        super().__init__(name, setting)
        _, program, variant = (*name.split(":"), "")[:3]
        found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SEARCH_PATH}")
        if found is None:
            raise UnsuitableHostError(
                f"the sandbox {name!r} needs the OCI runtime {program!r}, which is not installed; "
                "install it, or leave the sandbox out",
            )
        self._program = found
        self._dialect = DIALECTS.get(program, Dialect())
        self._limited = variant != NO_CGROUP
        if not self._limited and self._dialect.no_cgroup is None:
            raise UnsuitableHostError(f"{program} cannot start a container without a control group")
        self._init = next((Path(path) for path in CANDIDATES if Path(path).is_file()), None)
        self._spec = self._make_spec()
        self.info = SandboxInfo(
            name=name,
            kind="oci",
            profile=variant or "default",
            boundaries=("spawned", "main"),
            details={
                "runtime": programs.said(found),
                "program": found,
                "cpuset": list(setting.resources.cpuset),
                "boundaries": "spawned: the runtime's command runs. There is no `ready`: `run "
                "--detach` does not tell creation from start",
                "differs": list(self._differences()),
            },
        )

    def _differences(self) -> Sequence[str]:
        return (
            "a command of its own for every start, where tare asks a process that runs already",
            "its root is mounted by tare after `requested`; config.json is written before it",
            "the runtime adds its own: a device control group, its state on disk, mount checks",
            "the init program is bound into the root instead of being run from a sealed copy"
            if self._init
            else "no init program above the workload, since none is installed",
            "no time limit or clean-up by the death of whoever started it",
            *(() if self._limited else ("no control group: nothing is limited but the CPUs",)),
        )

    def _make_spec(self) -> runtime.Spec:
        spec: runtime.Spec = runtime.profiles.default(
            rootfs=self.image_root,
            args=list(PAYLOAD),
            env=dict(ENVIRONMENT),
            resources=limits.of_container(self.setting.resources),
        )
        if not self._limited:
            spec = runtime.profiles.without(spec, "cgroup")
        return replace(spec, profile="default")

    def open(self) -> None:
        """Start the helper, shift the image's owners, and try the runtime once."""
        parents = hierarchies() if self._limited else []
        hide = []
        if self._dialect.hides_unified and layout.current().v1:
            hide = [str(path) for kind, path in cgroup_mounts() if kind == "cgroup2"]
        self._helper = Helper(
            self._state,
            affinity=self.setting.resources.cpuset,
            hide=hide,
            parents=[path for path in parents if str(path) not in hide],
        )
        mapping = self._spec.linux.uid_mappings[0]
        line = f"{mapping.container_id} {mapping.host_id} {mapping.size}\n"
        answer, _ = self._helper.ask("lower", image=str(self.image_root), uids=line, gids=line)
        self._lower: str = answer["path"]
        self._owner = mapping.host_id
        base, _ = self._helper.ask("put", files={"run/.keep": b""})
        self._base = Path(base["base"])
        options = self._dialect.options
        if not self._limited:
            options = self._dialect.no_cgroup or ()
        self._command = (self._program, *options, "--root", str(self._base / "run"))
        # a runtime that refuses the bundle does so here and not in every visit
        with self.start():
            pass

    def resized(self, memory_bytes: int) -> Self | None:
        """Return this sandbox with another memory limit; None where nothing is limited."""
        if not self._limited:
            return None
        other = self._with_memory(memory_bytes)
        other._spec = other._make_spec()  # noqa: SLF001  # our own
        return other

    def recipe(self, name: str) -> Recipe:
        """Write the bundle; the helper mounts its root before it runs the runtime's ``run``."""
        folder = self._base / name
        cgroup = f"/{self._helper.name}/{name}" if self._limited else None
        bundle = oci_bundle.config(
            self._spec,
            rootfs=folder / "rootfs",
            cgroup=cgroup,
            init=self._init,
        )
        self._helper.ask("put", files={f"{name}/config.json": json.dumps(bundle).encode()})
        argv = (
            *self._command,
            "run", "--detach", "--bundle", str(folder), "--pid-file", str(folder / "pid"),
            *self._dialect.keep,
            name,
        )  # fmt: skip
        request = {
            "overlay": {"name": name, "lower": self._lower, "owner": self._owner},
            "undo": (*self._command, "delete", "--force", name),
        }
        return Recipe(argv, {"PATH": SEARCH_PATH}, detached=True, request=request)

    def locate(self, name: str, held: list[int]) -> Located:
        """Read the process id that the runtime has written into its pid file."""
        answer, fds = self._helper.ask("pids", pid_files=(str(self._base / name / "pid"),))
        held += fds
        (pid,) = answer["pids"]
        return Located(pid, groups_of(pid) if self._limited else {})

    @contextmanager
    def networked(self, testbed: Testbed) -> Iterator[Endpoint]:
        """Start one and connect the network namespace that its runtime has made."""
        if self._dialect.own_stack:
            raise NotSupportedError(OWN_STACK)
        with self.start() as instance, testbed.attached(instance.started.pid) as address:
            yield Endpoint(instance, address)

    @contextmanager
    def terminate(self, started: Started) -> Iterator[Command]:
        """Send SIGTERM by the runtime's ``kill``."""
        with self._helper.begin((*self._command, "kill", started.name, "TERM")) as command:
            yield command
            command.wait(limits.START_TIMEOUT_S)

    def remove(self, started: Started) -> None:
        """Have the runtime delete it, and unmount its root."""
        answer, _ = self._helper.ask("drop", name=started.name)
        if answer["status"] != 0:
            raise MeasurementError(
                f"{self._program} delete {started.name}: {without_message(answer['status'])}",
            )
        super().remove(started)

    def execute(
        self,
        started: Started,
        args: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes,
    ) -> Completed:
        """Run a command by the runtime's ``exec``, under the container's own restrictions."""
        what = f"{args[0]} in the {self.name} sandbox"
        # by a file: options alone would leave no_new_privs and capabilities to the runtime
        spec = replace(
            self._spec, process=replace(self._spec.process, args=tuple(args), init=False)
        )
        process = json.dumps(oci_bundle.process(spec)).encode()
        path = f"{started.name}/process.json"
        self._helper.ask("put", files={path: process})
        with Pipes(stdin) as pipes:
            began = time.monotonic_ns()
            argv = (*self._command, "exec", "--process", str(self._base / path), started.name)
            with self._helper.begin(argv, fds=pipes.stdio, targets=(0, 1, 2)) as command:
                out, err = pipes.collect(timeout_s, what)
                left = timeout_s - (time.monotonic_ns() - began) / 1e9
                code = command.wait(max(left, 0.1))
        ended = time.monotonic_ns()
        if code is None:
            raise MeasurementError(f"{what} did not end within {timeout_s:g} s", timed_out=True)
        return Completed(code, out, err, (ended - began) / 1e9)


def cgroup_mounts() -> list[tuple[str, Path]]:
    """Return the control group hierarchies: file system type and mount point."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, tail = line.partition(" - ")
        kind = tail.partition(" ")[0]
        if kind in {"cgroup", "cgroup2"}:
            found.append((kind, Path(fields.split(" ")[4])))
    return found


def hierarchies() -> list[Path]:
    """Return the directories in which a runtime makes the group it is told to, one a hierarchy."""
    return [path for _, path in cgroup_mounts()]


def groups_of(pid: int) -> dict[str, Path]:
    """Return the groups that a runtime put a process in: controller to directory."""
    membership = Path(f"/proc/{pid}/cgroup").read_text()
    found = layout.discover(Path("/proc/self/mountinfo").read_text(), membership)
    if found.v2:
        return {"unified": Path(found.v2)}
    return {controller: Path(folder) for controller, folder in found.v1.items()}


register(
    Kind(
        name="oci",
        title="a container of any OCI runtime, by its command line",
        names=("oci:crun", "oci:crun:no-cgroup", "oci:runc", "oci:youki", "oci:runsc"),
        open=OciSandbox,
        limits="as the container, by the runtime's own control group",
        network="as the container",
        pattern=re.compile(r"oci:[A-Za-z0-9][A-Za-z0-9_.-]*(:no-cgroup)?"),
    )
)
