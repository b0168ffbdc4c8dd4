"""Base of the sandboxes that a container manager (podman, docker) starts.

The commands are those of their users: a detached ``run``, ``exec``, ``stop`` and ``rm``, with the
manager's own defaults, except for the limits, which are the campaign's, and the network, which is
none. The cost of the manager is the difference to ``oci:NAME``, the same runtime called directly.
"""

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from benchmarks.errors import MeasurementError
from benchmarks.results.records import Resources
from benchmarks.sandboxes import limits
from benchmarks.sandboxes.base import ENVIRONMENT, Completed
from benchmarks.sandboxes.capture import Pipes
from benchmarks.sandboxes.external.client import SEARCH_PATH, Command, without_message
from benchmarks.sandboxes.external.instance import Started
from benchmarks.sandboxes.external.sandbox import ExternalSandbox

_DEFAULTS = (
    "the manager's own defaults: its filter of system calls, its masked paths, no user namespace, "
    "new privileges possible, the cgroup namespace that it chooses"
)
DIFFERS = (
    _DEFAULTS,
    "a command of its own for every start, which parses, locks, and writes a record first",
    "a monitor process stays beside each container, to keep its output and its exit status",
    "its own init above the workload where one is installed (--init)",
)
"""Differences of every manager from ``oci:NAME``."""


def run_options(resources: Resources) -> list[str]:
    """Return the options of ``run`` for limits and environment; the same for both managers."""
    found = [
        "--network", "none",
        "--memory", f"{resources.memory_bytes}b",
        "--memory-swap", f"{resources.memory_bytes}b",  # the sum of both: no swap space
        "--cpus", str(resources.cpus),
        "--pids-limit", str(limits.PIDS_LIMIT),
    ]  # fmt: skip
    if resources.cpuset:
        found += ["--cpuset-cpus", ",".join(map(str, resources.cpuset))]
    for name, value in ENVIRONMENT.items():
        found += ["--env", f"{name}={value}"]
    return found


class ManagerSandbox(ExternalSandbox):
    """Base of both managers: the commands that are the same on both command lines."""

    _command: tuple[str, ...]

    def environment(self) -> Mapping[str, str]:
        """Return the environment of the manager's commands."""
        return {"PATH": SEARCH_PATH}

    def resized(self, memory_bytes: int) -> Self:
        """Return this sandbox with another memory limit."""
        return self._with_memory(memory_bytes)

    @contextmanager
    def terminate(self, started: Started) -> Iterator[Command]:
        """Have the manager stop it."""
        argv = (*self._command, "stop", "--time", f"{limits.STOP_GRACE_S:.0f}", started.name)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            stopping = self._helper.begin(
                argv, fds=(null, null, null), targets=(0, 1, 2), env=self.environment()
            )
        finally:
            os.close(null)
        # its error for an instance that has ended already is ignored: the pidfds tell the end
        with stopping as command:
            yield command
            command.wait(limits.START_TIMEOUT_S)

    def was_killed(self, started: Started) -> bool:
        """Ask how it ended: ``stop`` kills by itself after its grace, without a message."""
        argv = (*self._command, "inspect", "--format", "{{.State.ExitCode}}", started.name)
        code = self._helper.output(argv, limits.START_TIMEOUT_S, env=self.environment())
        return code == str(128 + signal.SIGKILL)

    def remove(self, started: Started) -> None:
        """Have the manager delete it."""
        answer, _ = self._helper.ask("drop", name=started.name)
        if answer["status"] != 0:
            raise MeasurementError(
                f"{self.name}: rm {started.name}: {without_message(answer['status'])}"
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
        """Run a command by the manager's ``exec``."""
        what = f"{args[0]} in the {self.name} sandbox"
        options = ("--interactive",) if stdin else ()
        with Pipes(stdin) as pipes:
            began = time.monotonic_ns()
            with self._helper.begin(
                (*self._command, "exec", *options, started.name, *args),
                fds=pipes.stdio,
                targets=(0, 1, 2),
                env=self.environment(),
            ) as command:
                out, err = pipes.collect(timeout_s, what)
                left = timeout_s - (time.monotonic_ns() - began) / 1e9
                code = command.wait(max(left, 0.1))
        ended = time.monotonic_ns()
        if code is None:
            raise MeasurementError(f"{what} did not end within {timeout_s:g} s", timed_out=True)
        return Completed(code, out, err, (ended - began) / 1e9)


def program_names(pids: Sequence[int]) -> list[str]:
    """Return the program names of processes (proc_pid_comm(5)) that have not ended."""
    found = []
    for pid in pids:
        comm = Path(f"/proc/{pid}/comm")
        if comm.is_file():
            found.append(comm.read_text().strip())
    return found
