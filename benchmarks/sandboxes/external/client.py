"""Client of the helper process, which starts external runtimes (``external.helper``)."""

import contextlib
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import runtime
from benchmarks.errors import MeasurementError, UnsuitableHostError
from benchmarks.sandboxes.external.group import cgroup_mounts, path_for
from benchmarks.sandboxes.limits import START_TIMEOUT_S
from runtime.harness import files, layout, record, wire

_PACKAGE_PARENT = Path(__file__).resolve().parents[3]
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from benchmarks.sandboxes.external.helper import main; main({})"
)
_ANSWER_S = START_TIMEOUT_S + 5
_KILL_S = 5.0
_OUTPUT = 65536

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where the helper's commands look for programs."""


class Result(NamedTuple):
    """A command that the helper ran to its end.

    Attributes:
        status: Its exit status, 128 + n for a signal; None where it was killed at its time limit.
        spawned: CLOCK_MONOTONIC nanoseconds of its start.
    """

    status: int | None
    spawned: int


class Helper:
    """Client of one helper process, which it starts and ends.

    Args:
        state: Folder of the sandbox; the helper's own folder is made below it.
        affinity: CPUs for the helper and all it starts.
        hide: Mount points to unmount in the helper's namespace.
        cover: Directories to mount an empty tmpfs on in that namespace; made where missing.
        grouped: Whether its commands make control groups. Then it has one, ``cgroup``, for them.
        parents: Directories in which somebody else makes the helper's control group.

    Attributes:
        cgroup: Path of that group as its commands have to name it.
        groups: Directories of it, one a hierarchy, as the host has them.

    Raises:
        UnsuitableHostError: The helper cannot do its work here; says why.
    """

    def __init__(
        self,
        state: Path,
        *,
        affinity: tuple[int, ...],
        hide: Sequence[str] = (),
        cover: Sequence[str] = (),
        grouped: bool = False,
        parents: Sequence[Path] = (),
    ) -> None:
        """Start the process and wait until it is ready."""
        self.name = f"tare-{secrets.token_hex(6)}"
        self.folder = state.resolve() / self.name
        unified = grouped and bool(layout.current().v2)
        self.cgroup = path_for(self.name, unified=unified)
        if grouped and not unified:
            parents = [path for _, path in cgroup_mounts() if str(path) not in hide]
        self.groups = [parent / self.name for parent in parents]
        self._made = self.groups
        self._lock = threading.Lock()
        with contextlib.suppress(OSError):  # what resists is for `clean` to name
            runtime.clean(state)
        self.folder.mkdir(0o755, parents=True)  # also under a lax umask: `runtime.clean` asks
        (self.folder / "territory").mkdir()
        self._socket, helper_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(_ANSWER_S)
        with helper_end:
            number = helper_end.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _BOOT.format(number), str(_PACKAGE_PARENT)],
                stdin=subprocess.DEVNULL,
                pass_fds=(number,),
                start_new_session=True,
            )
        self._record({str(group): str(group) for group in self.groups})
        settings = {
            "marker": self.name,
            "folder": str(self.folder),
            "affinity": affinity,
            "hide": tuple(hide),
            "cover": tuple(cover),
            "grouped": unified,
            "groups": tuple(str(group) for group in self.groups),
        }
        try:
            answer, _ = self._exchange(settings, ())
        except MeasurementError as error:
            self.close()
            raise UnsuitableHostError(
                f"the helper for external runtimes cannot start: {error}; it needs root, and mount "
                "namespaces allowed",
            ) from error
        if unified:
            self.groups = [Path(group) for group in answer["groups"]]
            self._made = [Path(group) for group in answer["cgroups"].values()]
        # once more: it lives in a mount namespace of its own by now
        known = answer["cgroups"] if unified else {str(one): str(one) for one in self.groups}
        self._record(known)

    def ask(
        self,
        verb: str,
        fds: tuple[int, ...] = (),
        **fields: Any,
    ) -> tuple[dict[str, Any], list[int]]:
        """Send one request and return its answer and descriptors.

        Raises:
            MeasurementError: The helper could not do it, or is gone.
        """
        return self._exchange({"verb": verb, **fields}, fds)

    def run(
        self,
        argv: Sequence[str],
        seconds: float,
        *,
        fds: tuple[int, ...] = (),
        targets: tuple[int, ...] = (),
        env: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Result:
        """Run a command and wait for its end; other threads can run commands meanwhile.

        Args:
            argv: The command, its program by its path.
            seconds: Time limit; a command that is not done by then is killed.
            fds: Descriptors to give it.
            targets: Their numbers in the command.
            env: Its environment; a PATH alone where None.
            more: Further fields of the ``spawn`` request.

        Raises:
            MeasurementError: The helper could not start it, or is gone.
        """
        with self.begin(argv, fds=fds, targets=targets, env=env, **more) as command:
            return Result(command.wait(seconds), command.spawned)

    def begin(
        self,
        argv: Sequence[str],
        *,
        fds: tuple[int, ...] = (),
        targets: tuple[int, ...] = (),
        env: Mapping[str, str] | None = None,
        **more: Any,
    ) -> "Command":
        """Start a command as ``run`` does, and do not wait for it.

        Raises:
            MeasurementError: The helper could not start it, or is gone.
        """
        answer, (pidfd,) = self.ask(
            "spawn",
            fds,
            argv=tuple(argv),
            env=dict(env or {"PATH": SEARCH_PATH}),
            targets=targets,
            **more,
        )
        return Command(self, answer["pid"], pidfd, answer["spawned"])

    def output(self, argv: Sequence[str], seconds: float, **more: Any) -> str:
        """Run a command and return what it wrote to standard output.

        Raises:
            MeasurementError: It failed, with what it wrote to standard error, or took too long.
        """
        out = os.memfd_create("out", os.MFD_CLOEXEC)
        err = os.memfd_create("err", os.MFD_CLOEXEC)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            called = self.run(argv, seconds, fds=(null, out, err), targets=(0, 1, 2), **more)
            if called.status != 0:
                raise MeasurementError(one_line(err) or without_message(called.status))
            return os.pread(out, _OUTPUT, 0).decode(errors="replace").strip()
        finally:
            for fd in (out, err, null):
                os.close(fd)

    def _exchange(
        self,
        message: dict[str, Any],
        fds: tuple[int, ...],
    ) -> tuple[dict[str, Any], list[int]]:
        try:
            with self._lock:
                try:
                    wire.send(self._socket, message, fds)
                    answer, received = wire.receive(self._socket)
                except BaseException:
                    # the answer would be taken for the next request's
                    self._socket.close()
                    raise
        except (OSError, EOFError) as error:
            raise MeasurementError(f"the helper for external runtimes is gone ({error})") from error
        if "error" in answer:
            raise MeasurementError(answer["error"])
        return answer, received

    def _record(self, groups: dict[str, str]) -> None:
        """Write down what ``runtime.clean`` needs, in the engines' own format."""
        record.write(self.folder, self._process.pid, groups)

    def close(self) -> None:
        """End the helper, which ends everything it made; idempotent."""
        self._socket.close()
        try:
            self._process.wait(_ANSWER_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for group in self._made:
            with contextlib.suppress(OSError):
                files.remove(str(group))
        if any(group.is_dir() for group in self._made):
            return  # `clean` finds it by the record
        for name in ("engine.json", "territory", "."):
            path = self.folder / name
            with contextlib.suppress(OSError):
                (path.rmdir if path.is_dir() else path.unlink)()


class Command:
    """A command that the helper has started; leaving its context kills it if it still runs.

    Attributes:
        spawned: CLOCK_MONOTONIC nanoseconds of its start.
    """

    def __init__(self, helper: Helper, pid: int, pidfd: int, spawned: int) -> None:
        """Take over its pidfd."""
        self.spawned = spawned
        self._helper = helper
        self._pid = pid
        self._pidfd = pidfd
        self._code: int | None = None

    def runs(self) -> bool:
        """Whether it still runs."""
        return not ended(self._pidfd, 0)

    def wait(self, seconds: float) -> int | None:
        """Return its exit status, 128 + n for a signal; None if it still runs at the time limit."""
        if self._code is None and ended(self._pidfd, seconds):
            answer, _ = self._helper.ask("status", pid=self._pid)
            self._code = answer["status"]
        return self._code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            with contextlib.suppress(MeasurementError):
                self.wait(_KILL_S)
        os.close(self._pidfd)


def ended(pidfd: int, seconds: float) -> bool:
    """Wait for the end of a process, at most so many seconds; tell whether it has ended."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(max(seconds, 0) * 1000))


def one_line(output: int) -> str:
    """Return the content of an anonymous file, its lines joined."""
    return os.pread(output, _OUTPUT, 0).decode(errors="replace").strip().replace("\n", "; ")


def start_error(output: int, status: int | None) -> MeasurementError:
    """Return the error for a command that did not start its workload, with what it printed.

    Args:
        output: What it wrote to standard error.
        status: Its exit status; 0 if it succeeded and the workload's first byte never came; None
            if it was killed at its time limit.
    """
    if status == 0:
        return MeasurementError("its workload never ran its first instruction", timed_out=True)
    return MeasurementError(one_line(output) or without_message(status), timed_out=status is None)


def without_message(status: int | None) -> str:
    """Say how a command ended that printed no reason."""
    if status is None:
        return "it did not end in time"
    return f"it ended with status {status} and no message"
