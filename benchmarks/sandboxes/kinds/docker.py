"""``docker`` and ``docker:RUNTIME``: the user's docker daemon, by docker's command line.

The image is imported into the daemon once, before anything is measured, and removed at the end.
Everything made there has a label with the helper's name, by which ``tare clean`` finds it. The
workload's first byte comes on a named pipe that is mounted into the container, because a daemon
passes no descriptors to a container. Sources: docker-run(1), docker-import(1).
"""

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

import msgspec

from benchmarks.errors import MeasurementError, NotSupportedError, UnsuitableHostError
from benchmarks.host import programs
from benchmarks.results.records import SandboxInfo
from benchmarks.sandboxes import limits
from benchmarks.sandboxes.base import PAYLOAD, STAMP_DESCRIPTOR, Setting, Testbed
from benchmarks.sandboxes.capture import FirstByte
from benchmarks.sandboxes.external.client import (
    SEARCH_PATH,
    Helper,
    one_line,
    without_message,
)
from benchmarks.sandboxes.external.sandbox import Located, Recipe
from benchmarks.sandboxes.kinds.oci import groups_of
from benchmarks.sandboxes.managers.docker_daemon import (
    address,
    mount_option,
    quoted,
    refuse_foreign,
)
from benchmarks.sandboxes.managers.docker_traces import DAEMON, FIFO, LABEL, OWNER
from benchmarks.sandboxes.managers.manager import (
    DIFFERS,
    ManagerSandbox,
    program_names,
    run_options,
)
from benchmarks.sandboxes.registry import Kind, register

_ANSWER_S = 30.0
_IMPORT_S = 600.0
_FIFO_INSIDE = "/tare-first-byte"
_IMAGE = "image"
_SLICE_S = 0.5
_REMOVE_ALL = """
label=$1 image=$2 note=$3
shift 3
found=$("$@" ps --all --quiet --filter "$label") || exit
[ -z "$found" ] || "$@" rm --force --volumes $found || exit
"$@" image rm --force "$image" && rm -f "$note"
"""
"""Shell script that removes the containers with our label, the image, and the note of them.

The helper runs it at its end, also when the harness was killed.
"""

_INFO = "{{.DefaultRuntime}}\n{{.Driver}}\n{{.InitBinary}}\n{{.SecurityOptions}}"
_REMAPPING = ("name=userns", "name=rootless")
"""Security options of daemons that map a container's root to another user than root."""

_CPUS_OF_DAEMON = (
    "the daemon makes the container, on whatever CPUs it runs itself; only the container and the "
    "command are held to the campaign's"
)
_DIFFERENCES = (
    _CPUS_OF_DAEMON,
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
        # by its address: the helper's commands have no home directory, and so no docker context
        try:
            self._address = address(found)
        except MeasurementError as error:
            raise UnsuitableHostError(
                f"the sandbox {name!r} cannot be had here: {error}"
            ) from error
        self._command = (found, "--host", self._address)
        self._runtime = name.partition(":")[2]
        self.info = SandboxInfo(
            name=name,
            kind="docker",
            profile=self._runtime or "default",
            boundaries=("spawned", "main"),
            details={
                "manager": programs.said(found),
                "program": found,
                "cpuset": list(setting.resources.cpuset),
                "boundaries": "spawned: the docker command runs. There is no `ready`: a detached "
                "`run` does not tell creation from start",
                "differs": [
                    *DIFFERS,
                    *_DIFFERENCES,
                ],
            },
        )

    def open(self) -> None:
        """Check that the daemon answers, import the image, and try one container.

        Raises:
            MeasurementError: No daemon answers, or it refuses the image or the container.
        """
        self._helper = Helper(self._state, affinity=self.setting.resources.cpuset)
        refuse_foreign(self._address)
        try:
            server = self._ask("version", "--format", "{{.Server.Version}}")
            default = self._ask("info", "--format", _INFO)
        except MeasurementError as error:
            raise MeasurementError(
                f"docker's daemon does not answer ({error}); start it, or leave the sandbox out",
            ) from error
        chosen, driver, init, options = (*default.split("\n"), "", "", "")[:4]
        self._remaps = any(word in options for word in _REMAPPING)
        self._init = bool(init and shutil.which(init, path=SEARCH_PATH))
        self._owner = f"{OWNER}={self._helper.name}"
        state = f"{LABEL}={self._state.resolve()}"
        self._labels = ("--label", self._owner, "--label", state)
        self._image = f"{self._helper.name}:{_IMAGE}"
        note = self._state.resolve() / f"{self._helper.name}{DAEMON}"
        note.write_text(self._address)
        ours = (f"label={self._owner}", self._image, str(note))
        undo = ("/bin/sh", "-c", _REMOVE_ALL, "sh", *ours, *self._command)
        self._helper.ask("at_end", name=_IMAGE, undo=undo)
        self._import()
        with self.start() as instance:
            services = program_names(instance.started.services)
        details = {
            "oci_runtime": self._runtime or chosen,
            "daemon": server,
            "storage": driver,
            "per_instance": services,
            "shared": ["dockerd", "containerd"],
        }
        self.info = msgspec.structs.replace(self.info, details={**self.info.details, **details})

    def networked(self, testbed: Testbed) -> NoReturn:
        """Refuse: only the daemon makes networks, and nobody has tried to do without it."""
        del testbed
        raise NotSupportedError(
            "no network between sandboxes: it is started with --network none, and networks are "
            "its daemon's to make",
        )

    def _import(self) -> None:
        """Import the image's tree into the daemon, as one layer that keeps the owners of files."""
        tar = shutil.which("tar", path=SEARCH_PATH)
        if tar is None:
            raise MeasurementError("docker's image is made by tar, which is not installed")
        pack_argv = (tar, "--numeric-owner", "--xattrs", "-C", str(self.image_root), "-c", ".")
        label = f"LABEL {OWNER}={self._helper.name} {LABEL}={quoted(str(self._state.resolve()))}"
        load_argv = (*self._command, "import", "--change", label, "-", self._image)
        output = os.memfd_create("output", os.MFD_CLOEXEC)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        read, write = os.pipe2(os.O_CLOEXEC)
        with ExitStack() as stack:
            for fd in (output, null):
                stack.callback(os.close, fd)
            try:
                pack = stack.enter_context(
                    self._helper.begin(pack_argv, fds=(null, write, null), targets=(0, 1, 2))
                )
                load = stack.enter_context(
                    self._helper.begin(load_argv, fds=(read, null, output), targets=(0, 1, 2))
                )
            finally:
                os.close(read)
                os.close(write)
            status = load.wait(_IMPORT_S)
            packed = pack.wait(_ANSWER_S)
            if status != 0 or packed != 0:
                reason = one_line(output) or (
                    without_message(status) if status != 0 else "tar failed"
                )
                raise MeasurementError(
                    f"docker did not import the image: {reason}", timed_out=status is None
                )

    def _ask(self, *words: str) -> str:
        return self._helper.output((*self._command, *words), _ANSWER_S)

    def _new_name(self, number: int) -> str:
        # unique: the daemon may serve others too, and instances are removed by their names
        return f"{self._helper.name}-{number}"

    def leftovers(self) -> list[str]:
        """Name the containers of this sandbox that the daemon still has."""
        listing = ("ps", "--all", "--filter", f"label={self._owner}", "--format", "{{.Names}}")
        try:
            found = self._ask(*listing).split()
        except MeasurementError as error:
            return [f"what docker's daemon did not list ({error})", *super().leftovers()]
        known = {f"instance {name}" for name in found}
        return [
            *(f"docker container {name}" for name in found),
            *(left for left in super().leftovers() if left not in known),
        ]

    def recipe(self, name: str) -> Recipe:
        """Return the command of a detached ``run``."""
        payload = [word.replace(f">&{STAMP_DESCRIPTOR}", f">{_FIFO_INSIDE}") for word in PAYLOAD]
        argv = (
            *self._command,
            "run", "--detach", "--name", name,
            *run_options(self.setting.resources),
            *self._labels,
            *(("--init",) if self._init else ()),
            *(("--runtime", self._runtime) if self._runtime else ()),
            "--mount", mount_option(self._fifo(name), _FIFO_INSIDE),
            self._image,
            *payload,
        )  # fmt: skip
        undo = (*self._command, "rm", "--force", "--volumes", name)
        return Recipe(argv, self.environment(), detached=True, stamp=None, request={"undo": undo})

    def _fifo(self, name: str) -> Path:
        return self._state.resolve() / f"{name}{FIFO}"

    @contextmanager
    def first_byte(self, name: str) -> Iterator[FirstByte]:
        """Make the named pipe that is bind-mounted into the container."""
        fifo = self._fifo(name)
        try:
            try:
                os.mkfifo(fifo, 0o600)
                if self._remaps:  # only the daemon knows to which user
                    fifo.chmod(0o622)
            except OSError as error:
                raise MeasurementError(
                    f"cannot make the named pipe {fifo}: {error.strerror}"
                ) from error
            with FirstByte(fifo) as first:
                yield first
        finally:
            fifo.unlink(missing_ok=True)

    def stamp(self, first: FirstByte, name: str) -> int | None:
        """Wait for the first byte while the container runs; a named pipe does not tell its end."""
        deadline = time.monotonic() + limits.START_TIMEOUT_S
        main = first.stamp(_SLICE_S)
        while main is None and time.monotonic() < deadline:
            runs = self._ask("inspect", "--format", "{{.State.Running}}", name) == "true"
            main = first.stamp(_SLICE_S)  # also after its end: the byte may have come before
            if not runs:
                break
        return main

    def locate(self, name: str, held: list[int]) -> Located:
        """Ask the daemon for the container's first process."""
        pid = self._pid(name)
        held.append(os.pidfd_open(pid))
        return Located(pid, groups_of(pid), _monitor(pid))

    def _pid(self, name: str) -> int:
        answer = self._ask("inspect", "--format", "{{.State.Pid}}", name)
        if not answer.isdecimal() or answer == "0":  # 0: it does not run
            raise MeasurementError("it had ended before it could be looked at")
        return int(answer)


def _monitor(pid: int) -> tuple[int, ...]:
    """Return the process above the container's first, containerd's shim (proc_pid_stat(5))."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2]
    parent = int(after_name.split()[1])
    return (parent,) if "shim" in "".join(program_names([parent])) else ()


register(
    Kind(
        name="docker",
        title="a container of the user's docker daemon, by docker's command line",
        names=("docker",),
        open=DockerSandbox,
        limits="memory, CPU, CPU set and pids options of docker's own run",
        suite_rounds=10,
        pattern=re.compile(r"docker:[A-Za-z0-9][\w.-]*"),
    )
)
