"""``podman`` and ``podman:RUNTIME``: podman's containers, by its command line.

Everything podman keeps (storage, state, locks, networks) is in the helper's folder, in a tmpfs of
its mount namespace, and vanishes with the helper. Of the user's own podman, only /etc/containers
is read. Sources: podman(1), podman-run(1), conmon(8), containers.conf(5).
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.errors import NotSupportedError, UnsuitableHostError
from benchmarks.host import programs
from benchmarks.results.records import SandboxInfo
from benchmarks.sandboxes.base import PAYLOAD, Endpoint, Setting, Testbed
from benchmarks.sandboxes.external.client import SEARCH_PATH, Helper
from benchmarks.sandboxes.external.sandbox import Located, Recipe
from benchmarks.sandboxes.kinds.oci import (
    DIALECTS,
    OWN_STACK,
    Dialect,
    cgroup_mounts,
    groups_of,
    hierarchies,
)
from benchmarks.sandboxes.managers.manager import (
    DIFFERS,
    ManagerSandbox,
    program_names,
    run_options,
)
from benchmarks.sandboxes.registry import Kind, register
from runtime.harness import CANDIDATES, layout

_LOCKS = "/dev/shm"  # noqa: S108  # podman wants it; empty in the helper's namespace
_ANSWER_S = 30.0
_STORAGE = (
    "podman mounts the overlay over the image itself (--rootfs TREE:O); storage and locks are its "
    "own in a tmpfs, cgroups are made without systemd, and events and output go to files in that "
    "tmpfs where podman would give them to the host's journal"
)


class PodmanSandbox(ManagerSandbox):
    """Starts containers by podman, with the runtime it would use or one that is named."""

    def __init__(self, name: str, setting: Setting) -> None:
        """Find podman and the runtime.

        Raises:
            UnsuitableHostError: One of them is not installed.
        """
        super().__init__(name, setting)
        found = shutil.which("podman", path=_path())
        if found is None:
            raise UnsuitableHostError(
                f"the sandbox {name!r} needs podman, which is not installed; install the package "
                "podman, or leave the sandbox out",
            )
        runtime = name.partition(":")[2]
        self._runtime = shutil.which(runtime, path=_path()) if runtime else None
        if runtime and self._runtime is None:
            raise UnsuitableHostError(
                f"the sandbox {name!r} needs the OCI runtime {runtime!r}, which is not installed; "
                "install it, or leave the sandbox out",
            )
        self._program = found
        self._init = next((path for path in CANDIDATES if Path(path).is_file()), None)
        self.info = SandboxInfo(
            name=name,
            kind="podman",
            profile=runtime or "default",
            boundaries=("spawned", "main"),
            details={
                "manager": programs.said(found),
                "program": found,
                "cpuset": list(setting.resources.cpuset),
                "boundaries": "spawned: the podman command runs. There is no `ready`: a detached "
                "`run` does not tell creation from start",
                "differs": [
                    *DIFFERS,
                    _STORAGE,
                ],
            },
        )

    def environment(self) -> Mapping[str, str]:
        """Return the environment of podman's commands: a home directory without settings."""
        return {"PATH": SEARCH_PATH, "HOME": str(self._base)}

    def open(self) -> None:
        """Start the helper, ask podman for its runtime, and try it once."""
        hidden = []
        if layout.current().v1:
            # crun refuses the hybrid layout unless the v2 hierarchy is out of sight
            hidden = [str(path) for kind, path in cgroup_mounts() if kind == "cgroup2"]
        self._helper = Helper(
            self._state,
            affinity=self.setting.resources.cpuset,
            hide=hidden,
            cover=(_LOCKS,),
            parents=[path for path in hierarchies() if str(path) not in hidden],
        )
        folders = ("store", "run", "tmp", "net", "volumes", "oci")
        made, _ = self._helper.ask("put", files={f"{one}/.keep": b"" for one in folders})
        self._base = Path(made["base"])
        self._command = (
            self._program,
            "--root", str(self._base / "store"),
            "--runroot", str(self._base / "run"),
            "--tmpdir", str(self._base / "tmp"),
            "--network-config-dir", str(self._base / "net"),
            "--volumepath", str(self._base / "volumes"),
            "--storage-driver", "overlay", "--log-level", "error",
            "--cgroup-manager", "cgroupfs", "--events-backend", "file",
            "--runtime-flag", f"root={self._base / 'oci'}",
            *(("--runtime", self._runtime) if self._runtime else ()),
        )  # fmt: skip
        runtime = Path(self._ask("info", "--format", "{{.Host.OCIRuntime.Name}}")).name
        with self.start() as instance:
            services = program_names(instance.started.services)
        details = {"oci_runtime": runtime, "per_instance": services, "shared": []}
        self.info = msgspec.structs.replace(self.info, details={**self.info.details, **details})

    def _ask(self, *words: str) -> str:
        return self._helper.output((*self._command, *words), _ANSWER_S, env=self.environment())

    @contextmanager
    def networked(self, testbed: Testbed) -> Iterator[Endpoint]:
        """Start one and connect the empty network namespace that it was given (--network none)."""
        runtime = Path(self._runtime or "").name
        if DIALECTS.get(runtime, Dialect()).own_stack:
            raise NotSupportedError(OWN_STACK)
        with self.start() as instance, testbed.attached(instance.started.pid) as address:
            yield Endpoint(instance, address)

    def leftovers(self) -> list[str]:
        """Name what is left; the group that podman keeps for all its monitors is not."""
        shared = [group / "conmon" for group in self._helper.groups]
        empty = {f"control group {path}" for path in shared if path.is_dir() and not _tasks(path)}
        return [found for found in super().leftovers() if found not in empty]

    def recipe(self, name: str) -> Recipe:
        """Return the command of a detached ``run``."""
        self._helper.ask("put", files={f"{name}/.keep": b""})
        pid_file, conmon = self._pid_files(name)
        init = ("--init", "--init-path", self._init) if self._init else ()
        argv = (
            *self._command,
            "run", "--detach", "--name", name,
            *run_options(self.setting.resources),
            "--log-driver", "k8s-file",
            "--cgroup-parent", f"/{self._helper.name}",
            "--pidfile", pid_file, "--conmon-pidfile", conmon,
            "--preserve-fds", "1",
            *init,
            "--rootfs", f"{self.image_root}:O",
            *PAYLOAD,
        )  # fmt: skip
        undo = (*self._command, "rm", "--force", "--time", "0", name)
        return Recipe(argv, self.environment(), detached=True, request={"undo": undo})

    def _pid_files(self, name: str) -> tuple[str, str]:
        return str(self._base / name / "pid"), str(self._base / name / "conmon")

    def locate(self, name: str, held: list[int]) -> Located:
        """Read the process ids that podman and its monitor have written into their pid files."""
        answer, fds = self._helper.ask("pids", pid_files=self._pid_files(name))
        held += fds
        pid, monitor = answer["pids"]
        return Located(pid, groups_of(pid), (monitor,))


def _path() -> str:
    """Return the search path of programs, with the interpreter's folder, where ``tare-oci`` is."""
    return f"{os.environ.get('PATH', '')}:{SEARCH_PATH}:{Path(sys.executable).parent}"


def _tasks(group: Path) -> str:
    return (group / "cgroup.procs").read_text()


register(
    Kind(
        name="podman",
        title="a container of podman, by its command line",
        names=("podman", "podman:crun", "podman:runc", "podman:tare-oci"),
        open=PodmanSandbox,
        limits="memory, CPU, CPU set and pids options of podman's own run",
        suite_rounds=10,
        pattern=re.compile(r"podman:[A-Za-z0-9][\w.-]*"),
    )
)
