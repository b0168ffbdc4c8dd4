"""``docker`` and ``docker:RUNTIME``: docker's command line, and the daemon that the user has.

The image is imported into the daemon once, before anything is measured, and removed at the end.
Everything made there bears a label with the helper's name, by which ``tare clean`` finds it again.
The workload's first byte comes on a named pipe that is bound into the container: a daemon passes
no descriptor on. Sources: docker-run(1), docker-import(1).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.errors import MeasurementError, UnsuitableHostError
from benchmarks.records import SandboxInfo
from benchmarks.sandboxes.base import PAYLOAD, STAMP_DESCRIPTOR, START_TIMEOUT_S
from benchmarks.sandboxes.capture import FirstByte
from benchmarks.sandboxes.docker_traces import FIFO, LABEL, OWNER
from benchmarks.sandboxes.managers import DIFFERS, ManagerSandbox, limits, names
from benchmarks.sandboxes.oci import groups_of
from benchmarks.sandboxes.peer_client import SEARCH, Helper, refused, version
from benchmarks.sandboxes.peer_instance import Started

if TYPE_CHECKING:
    from benchmarks.sandboxes.base import Setting

_ASKED_S = 30.0
_IMPORT_S = 600.0
_INSIDE = "/tare-first-byte"
_IMAGE = "image"
_USUAL = "unix:///var/run/docker.sock"
_TOLD = "{{.DefaultRuntime}}\n{{.Driver}}\n{{.InitBinary}}"
_CPUS = (
    "the daemon makes the container, on whatever CPUs it runs itself; only the container and the "
    "command are held to the campaign's"
)
_ITS_OWN = (
    _CPUS,
    "its writable layer lies in the daemon's storage, not in memory",
    "the workload's first byte comes on a named pipe that is bound into it",
)


class DockerSandbox(ManagerSandbox):
    """Starts containers by docker, with the daemon's default runtime or one that it knows."""

    def __init__(self, name: str, setting: Setting) -> None:
        """Find docker.

        Raises:
            UnsuitableHostError: It is not installed.
        """
        super().__init__(name, setting)
        found = shutil.which("docker")
        if found is None:
            raise UnsuitableHostError(
                f"the sandbox {name!r} needs docker, which is not installed; install the package "
                "docker.io and start its daemon, or leave the sandbox out",
            )
        self._program = found
        # by its address: the helper's commands have nobody's home, and so no context of docker's
        self._command = (found, "--host", _address(found))
        self._runtime = name.partition(":")[2]
        self.info = SandboxInfo(
            name=name,
            kind="docker",
            profile=self._runtime or "default",
            boundaries=("spawned", "main"),
            details={
                "manager": version(found),
                "program": found,
                "cpuset": list(setting.resources.cpuset),
                "boundaries": "spawned: the docker command runs. There is no `ready`: a detached "
                "`run` does not tell creation from start",
                "differs": [
                    *DIFFERS,
                    *_ITS_OWN,
                ],
            },
        )

    def open(self) -> None:
        """Ask for the daemon, import the image, and try one container.

        Raises:
            MeasurementError: No daemon answers, or it refuses the image or the container.
        """
        self._helper = Helper(self._state, affinity=self.setting.resources.cpuset)
        if not self._command[2].startswith("unix:"):
            raise MeasurementError(
                f"docker's daemon at {self._command[2]} is not of this host; use one that is, or "
                "leave the sandbox out",
            )
        try:
            server = self._ask("version", "--format", "{{.Server.Version}}")
            default = self._ask(
                "info", "--format", "{{.DefaultRuntime}}\n{{.Driver}}\n{{.InitBinary}}"
            )
        except MeasurementError as error:
            raise MeasurementError(
                f"docker's daemon does not answer ({error}); start it, or leave the sandbox out",
            ) from error
        chosen, driver, init = (*default.split("\n"), "", "")[:3]
        self._init = bool(init and shutil.which(init, path=SEARCH))
        owner, state = f"{OWNER}={self._helper.name}", f"{LABEL}={self._state.resolve()}"
        self._labels = ("--label", owner, "--label", state)
        self._image = f"{self._helper.name}:{_IMAGE}"
        undo = (*self._command, "image", "rm", "--force", self._image)
        self._helper.ask("at_end", name=_IMAGE, undo=undo)
        self._import()
        with self.start() as instance:
            services = names(instance.started.services)
        details = {
            "oci_runtime": self._runtime or chosen,
            "daemon": server,
            "storage": driver,
            "per_instance": services,
            "shared": ["dockerd", "containerd"],
        }
        self.info = msgspec.structs.replace(self.info, details={**self.info.details, **details})

    def close(self) -> None:
        """Remove the image, before the helper goes."""
        if hasattr(self, "_image"):
            self._helper.ask("drop", name=_IMAGE)

    def _import(self) -> None:
        """Give the daemon the image's tree, as one layer with its owners."""
        tree = ("tar", "--numeric-owner", "--xattrs", "-C", str(self.image_root), "-c", ".")
        taken = (
            *self._command, "import",
            "--change", f"LABEL {OWNER}={self._helper.name} {LABEL}={self._state.resolve()}",
            "-", self._image,
        )  # fmt: skip
        with subprocess.Popen(tree, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as packing:
            done = subprocess.run(
                taken,
                stdin=packing.stdout,
                capture_output=True,
                check=False,
                timeout=_IMPORT_S,
            )
        if done.returncode != 0 or packing.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().replace("\n", "; ")
            raise MeasurementError(f"docker did not import the image: {said or 'tar failed'}")

    def _ask(self, *words: str) -> str:
        return self._helper.said((*self._command, *words), _ASKED_S)

    def launch(self, name: str) -> Started:
        """Have docker run it, detached."""
        fifo = self._state.resolve() / f"{self._helper.name}-{name}{FIFO}"
        payload = [part.replace(f">&{STAMP_DESCRIPTOR}", f">{_INSIDE}") for part in PAYLOAD]
        argv = (
            *self._command,
            "run", "--detach", "--name", name,
            *limits(self.setting.resources),
            *self._labels,
            *(("--init",) if self._init else ()),
            *(("--runtime", self._runtime) if self._runtime else ()),
            "--volume", f"{fifo}:{_INSIDE}",
            self._image,
            *payload,
        )  # fmt: skip
        output = os.memfd_create("output", os.MFD_CLOEXEC)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        os.mkfifo(fifo, 0o600)
        try:
            with FirstByte(fifo) as first:
                requested = time.monotonic_ns()
                called = self._helper.call(
                    argv,
                    START_TIMEOUT_S,
                    fds=(null, output, output),
                    targets=(0, 1, 2),
                    name=name,
                    undo=(*self._command, "rm", "--force", "--volumes", name),
                )
                main = first.stamp(START_TIMEOUT_S) if called.status == 0 else None
            if main is None:
                raise refused(output, called.status)
            pid = int(self._ask("inspect", "--format", "{{.State.Pid}}", name))
            stamps = {"requested": requested, "spawned": called.spawned, "main": main}
            groups = groups_of(pid)
            return Started(name, pid, (os.pidfd_open(pid),), stamps, groups, _monitor(pid))
        except MeasurementError:
            self._helper.ask("drop", name=name)
            raise
        except OSError as error:
            self._helper.ask("drop", name=name)
            raise MeasurementError(f"the container has ended already ({error})") from error
        finally:
            os.close(output)
            os.close(null)
            fifo.unlink()


def _address(program: str) -> str:
    """Return where the user's daemon listens, as docker itself finds it."""
    if given := os.environ.get("DOCKER_HOST"):
        return given
    done = subprocess.run(
        (program, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"),
        capture_output=True,
        text=True,
        check=False,
        timeout=_ASKED_S,
    )
    return done.stdout.strip() or _USUAL


def _monitor(pid: int) -> tuple[int, ...]:
    """Return the process above the container's first, containerd's shim (proc_pid_stat(5))."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2]
    parent = int(after_name.split()[1])
    return (parent,) if "shim" in "".join(names([parent])) else ()
