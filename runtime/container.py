"""A container that an engine has made: what it runs, uses, and how it ends."""

from __future__ import annotations

import signal
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from runtime import cgroups, events
from runtime.cgroups import accounting, oom, usage
from runtime.errors import ContainerError, StateError
from runtime.process import ContainerProcess, SpawnedProcess, await_init

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runtime.cgroups.charges import CgroupStatistics
    from runtime.events import Event
    from runtime.network import Attachment, Network
    from runtime.plan.programs import Programs
    from runtime.plan.steps import Operation
    from runtime.spawner.client import Link, Stdio
    from runtime.spec import Resources, Spec

_KILL_S = 5.0


class Owner(Protocol):
    """What a container needs of the engine that made it."""

    @property
    def link(self) -> Link:
        """To the spawner."""

    @property
    def programs(self) -> Programs:
        """Makes the programs of further processes."""

    @property
    def inherited_groups(self) -> Mapping[str, Path]:
        """The groups it shares with others where it has none of its own."""

    def network(self) -> Network:
        """The bridge to attach it to."""

    def forget(self, container_id: str) -> None:
        """Know it no more."""


class Container(SpawnedProcess):
    """A container; a context manager whose end deletes it.

    Attributes:
        spec: what it was made from.
        cgroup_paths: controller ("unified" on cgroup v2) to directory; empty for native.
        steps: name and time of each step of the set-up, where `run` was asked for them.
        executed: processes executed into it that are not closed yet, by id.
        attachment: its interface on the engine's bridge, None where it has none.
        forced: whether `stop` had to SIGKILL the first process after the grace, so that the time
            between `stop_asked` and `stopped` tells nothing of the container.
    """

    def __init__(  # noqa: PLR0917  # the engine alone calls it
        self,
        owner: Owner,
        name: str,
        spec: Spec,
        operations: Sequence[Operation],
        answer: dict[str, Any],
        fds: Sequence[int],
    ) -> None:
        super().__init__(owner.link, name, answer, fds)
        self._owner = owner
        self.spec = spec
        self._operations = operations
        self.cgroup_paths: Mapping[str, Path] = {
            key: Path(value) for key, value in answer["cgroups"].items()
        }
        self.steps: list[tuple[str, int]] = [
            (type(operations[place]).__name__, stamp) for place, stamp in answer["steps"]
        ]
        self.executed: dict[str, ContainerProcess] = {}
        self.forced = False
        self._oom_kills = 0
        self.attachment: Attachment | None = None
        self._executions = 0
        self._prepared = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.delete()

    def attach(self, *, isolated: bool = False) -> Attachment:
        """Give it an interface on the engine's bridge; the address goes back when it is deleted.

        Args:
            isolated: it reaches the host and the outside, but no other isolated container.

        Raises:
            NetworkError: the kernel refuses.
            StateError: it has one already.
        """
        if self.attachment:
            raise StateError(f"{self.id} is attached already")
        self.attachment = self._owner.network().attach(self.pid, isolated=isolated)
        return self.attachment

    def start(self) -> None:
        """Let the workload of a created container run.

        Raises:
            ExecError: the program does not exist in the image or cannot be executed; the container
                is deleted then.
            SetupError: it has been started already, or the kernel refused the filter.
        """
        self._link.ask(
            {"verb": "start", "what": f"start {self.id}", "id": self.id}, (), self._operations
        )

    def exec(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdio: Stdio | None = None,
        extra_fds: Mapping[int, int] | None = None,
        terminal: bool = False,
    ) -> ContainerProcess:
        """Run a further program in the container, under the same limits and privileges.

        Args:
            args: program and arguments.
            env: environment; the workload's own by default.
            cwd: working directory; the workload's own by default.
            stdio: descriptors for standard input, output and error; /dev/null where None.
            extra_fds: number in the container to descriptor here.
            terminal: give it a terminal instead of `stdio` (`ContainerProcess.terminal`).

        Raises:
            ExecError: the program cannot be run.
            StateError: the container has ended.
            SetupError: the kernel refused a step.
        """
        requested = time.monotonic_ns()
        if not self.running:
            raise StateError(f"{self.id} is not running; nothing can be executed in it")
        if self.paused:  # it would wait along with the others
            raise StateError(f"{self.id} is paused; resume it before anything is executed in it")
        workload = replace(
            self.spec.process,
            args=tuple(args),
            env=self.spec.process.env if env is None else env,
            cwd=self.spec.process.cwd if cwd is None else cwd,
            terminal=terminal,
        )
        self._executions += 1
        name = f"{self.id}/{self._executions}"
        planned = self._owner.programs.execute(self.spec, workload)
        message = {
            "verb": "exec",
            "what": f"execute {args[0]!r} in {self.id}",
            "id": name,
            "container": self.id,
            "requested": requested,
            "program": planned.encoded,
            "maps_ids": False,
            "image": str(self.spec.root.path.absolute()),
            "shared_root": self.spec.linux.namespace("mount") is None,
            "time_steps": False,
        }
        answer, fds = self._link.start(message, planned.operations, stdio, extra_fds)
        process = ContainerProcess(self._link, name, answer, fds, self._forget_executed)
        self.executed[name] = process
        return process

    def _forget_executed(self, name: str) -> None:
        self.executed.pop(name, None)

    def pids(self) -> list[int]:
        """Host pids of every process in it, those executed into it included."""
        if self.cgroup_paths:
            return usage.group_pids(self.cgroup_paths)
        if self.deleted:
            return []
        if self.spec.linux.namespace("pid"):
            return usage.namespace_pids(self.pid)
        pids: list[int] = self._tell("pids", "list the processes of")
        return pids

    def cpu_time_s(self) -> float | None:
        """CPU seconds used so far, children that ended included; None where nobody counts them.

        Without a group of its own this is the engine's account where it has one, which every
        native instance and the spawner share: only its differences mean something. Else, in a pid
        namespace, it is the sum over its processes, in clock ticks, and over those executed into
        it that have ended. Without any of these, processes that outlived their parent are lost to
        every count.
        """
        if groups := self.cgroup_paths or self._owner.inherited_groups:
            return usage.group_cpu_s(groups)
        if self.deleted or not self.spec.linux.namespace("pid"):
            return None
        ended: float = self._tell("cpu_s", "read the CPU time of", verb="cpu")
        return ended + usage.processes_cpu_s(self.pids())

    def _tell(self, field: str, what: str, *, verb: str | None = None) -> Any:
        message = {"verb": verb or field, "what": f"{what} {self.id}", "id": self.id}
        return self._link.ask(message)[0][field]

    def pause(self) -> None:
        """Stop everything in it, as it is, until `resume`; it can still be killed and deleted.

        Raises:
            SetupError: it has no control group, or the kernel does not freeze it.
        """
        self._link.ask({"verb": "freeze", "what": f"pause {self.id}", "id": self.id})

    def resume(self) -> None:
        """Let it go on.

        Raises:
            SetupError: it has no control group.
        """
        self._link.ask({"verb": "thaw", "what": f"resume {self.id}", "id": self.id})

    @property
    def paused(self) -> bool:
        """Whether everything in it stands still."""
        return bool(self.cgroup_paths) and not self.deleted and self._group().frozen()

    def update(self, resources: Resources) -> None:
        """Change its limits while it runs; what is None stays.

        Raises:
            CgroupError: the kernel refuses, or this host lacks the controller.
            SetupError: it has no control group.
        """
        answer, _ = self._link.ask(
            {
                "verb": "limit",
                "what": f"update {self.id}",
                "id": self.id,
                "resources": asdict(resources),
            }
        )
        self.cgroup_paths = {key: Path(value) for key, value in answer["cgroups"].items()}

    def oom_kills(self) -> int:
        """How many of its processes were killed for want of memory within its limit."""
        if not self.cgroup_paths or self.deleted:
            return self._oom_kills
        found = oom.oom_kills(self.cgroup_paths)
        self._oom_kills = self._oom_kills if found is None else found
        return self._oom_kills

    def events(self, timeout_s: float | None = None) -> Iterator[Event]:
        """What happens to it, as it happens, until its first process has ended.

        Yields:
            "oom" with the number of processes killed so far for want of memory; at last "exit"
            with the exit status. Nothing more once `timeout_s` has passed.

        Raises:
            StateError: it is deleted meanwhile.
        """
        return events.follow(self, timeout_s)

    def _group(self) -> cgroups.Group:
        return cgroups.open_at({key: str(path) for key, path in self.cgroup_paths.items()})

    def memory(self) -> usage.CgroupMemory | None:
        """Memory charged to its group; None without one."""
        return usage.memory(self.cgroup_paths)

    def statistics(self) -> CgroupStatistics | None:
        """All that its control group counts; None without one."""
        return accounting.statistics(self.cgroup_paths) if self.cgroup_paths else None

    def stop(self, grace_s: float = 10.0) -> int | None:
        """SIGTERM to the first process, after the grace SIGKILL to all.

        Whatever outlives the first process is killed at once, as a pid namespace has it, also
        where there is none. Stamps `stop_asked`, and `stopped` when nothing of it is left; sets
        `forced` where the grace was not enough.

        Returns:
            The exit status; where it was deleted before, None if that was lost with the spawner.

        Raises:
            ContainerError: a process outlives SIGKILL.
        """
        if self.deleted:
            return self._status
        self.stamps.setdefault("stop_asked", time.monotonic_ns())
        if self.spec.process.init and not self._prepared:
            await_init(self.pid)
            self._prepared = True
        self.send_signal(signal.SIGTERM)
        if not self._ended(grace_s):
            self.forced = True
            self.kill()
        self.stamps.setdefault("stopped", self._await_nothing())
        return self.wait()

    def _await_nothing(self) -> int:
        """Wait until no process of it lives; the time (ns) of the look that found none.

        The first process of a pid namespace ends after all others in it (pid_namespaces(7)).
        """
        if not self._ended(_KILL_S):
            raise ContainerError(f"{self.id} (pid {self.pid}) outlives SIGKILL; see its stack")
        seen = time.monotonic_ns()
        deadline = time.monotonic() + _KILL_S
        while not self.spec.linux.namespace("pid") and (left := self.pids()):
            if time.monotonic() > deadline:
                raise ContainerError(f"process {left[0]} of {self.id} outlives SIGKILL")
            self.kill()
            time.sleep(0.001)
            seen = time.monotonic_ns()
        return seen

    def kill(self) -> None:
        """SIGKILL every process in it."""
        if not self.deleted:
            self._link.ask({"verb": "kill", "what": f"kill {self.id}", "id": self.id})

    def delete(self) -> None:
        """Kill what still runs and remove every trace; idempotent.

        Processes executed into it are closed along with it and keep their exit status.

        Raises:
            SetupError: a process outlives SIGKILL, or a group cannot be removed.
        """
        if self.deleted:
            return
        self.oom_kills()  # stays known
        self._forget(f"delete {self.id}")
        if self.attachment:
            attachment, self.attachment = self.attachment, None
            self._owner.network().detach(attachment)

    def let_go(self, statuses: Mapping[str, int | None]) -> None:
        """Close what this process holds of it and of what was executed into it."""
        super().let_go(statuses)
        for process in list(self.executed.values()):
            process.let_go(statuses)
        self._owner.forget(self.id)
