"""A running container, and processes executed into it."""

from __future__ import annotations

import marshal
import os
import select
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from runtime import operations, plan, usage
from runtime.errors import ContainerError, StateError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.engine import Engine, Stdio
    from runtime.spec import Spec

_KILL_S = 5.0


class _Member:
    """What the first process and later ones have in common.

    Attributes:
        id: name within the engine.
        pid: host process id.
        pidfd: descriptor of it; becomes readable when it ends.
        stamps: boundary to CLOCK_MONOTONIC nanoseconds.
    """

    def __init__(self, engine: Engine, name: str, answer: dict[str, Any], pidfd: int) -> None:
        self.id = name
        self.pid: int = answer["pid"]
        self.pidfd = pidfd
        self.stamps: dict[str, int] = answer["stamps"]
        self._engine = engine
        self._status: int | None = None
        self._deleted = False

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for the end; the exit status as a shell has it (128 + signal), None on timeout.

        Raises:
            EngineError: the spawner is gone, and the status with it.
        """
        if self._status is not None:
            return self._status
        if self._deleted:
            raise StateError(f"{self.id} is deleted; its exit status went with it")
        if not self._ended(timeout_s):
            return None
        while self._status is None:
            answer, _ = self._engine._ask(  # noqa: SLF001  # one package, two halves
                {"verb": "status", "what": f"ask how {self.id} ended", "id": self.id}
            )
            self._status = answer["status"]
        return self._status

    def send_signal(self, number: int) -> None:
        """Signal it; nothing happens where it has ended."""
        if self._deleted:
            return
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            return

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        return not self._deleted and not self._ended(0)

    def _ended(self, timeout_s: float | None) -> bool:
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(None if timeout_s is None else max(0, timeout_s) * 1000))

    def _forget(self, what: str) -> None:
        if self._deleted:
            return
        try:
            self._engine._ask({"verb": "delete", "what": what, "id": self.id})  # noqa: SLF001  # likewise
        finally:
            self._deleted = True
            os.close(self.pidfd)


class ContainerProcess(_Member):
    """A process executed into a running container."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def kill(self) -> None:
        """SIGKILL it."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Kill it where it still runs and let go of it; idempotent."""
        self._forget(f"forget {self.id}")


class Container(_Member):
    """A container; a context manager whose end deletes it.

    Attributes:
        spec: what it was made from.
        cgroup_paths: controller ("unified" on cgroup v2) to directory; empty for native.
        steps: name and time of each step of the set-up, where `run` was asked for them.
    """

    def __init__(
        self, engine: Engine, name: str, spec: Spec, answer: dict[str, Any], pidfd: int
    ) -> None:
        super().__init__(engine, name, answer, pidfd)
        self.spec = spec
        self.cgroup_paths: Mapping[str, Path] = {
            key: Path(value) for key, value in answer["cgroups"].items()
        }
        self.steps: list[tuple[str, int]] = answer["steps"]
        self._executed = 0
        self._prepared = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.delete()

    def exec(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdio: Stdio | None = None,
        extra_fds: Mapping[int, int] | None = None,
    ) -> ContainerProcess:
        """Run a further program in the container, under the same limits and privileges.

        Raises:
            ExecError: the program cannot be run.
            StateError: the container has ended.
            SetupError: the kernel refused a step.
        """
        requested = time.monotonic_ns()
        if not self.running:
            raise StateError(f"{self.id} is not running; nothing can be executed in it")
        workload = replace(
            self.spec.process,
            args=tuple(args),
            env=self.spec.process.env if env is None else env,
            cwd=self.spec.process.cwd if cwd is None else cwd,
        )
        self._executed += 1
        name = f"{self.id}/{self._executed}"
        joined = plan.join_flags(self.spec)
        message = {
            "verb": "exec",
            "what": f"execute {args[0]!r} in {self.id}",
            "id": name,
            "container": self.id,
            "requested": requested,
            "plan": marshal.dumps(operations.encode(plan.execute(self.spec, workload))),
            "namespaces": joined,
            "image": str(self.spec.root.path),
            "shared_root": self.spec.linux.namespace("mount") is None,
            "argv": workload.args,
            "env": tuple(f"{key}={value}" for key, value in workload.env.items()),
        }
        answer, fds = self._engine._start(message, stdio, extra_fds)  # noqa: SLF001  # one package
        return ContainerProcess(self._engine, name, answer, fds[0])

    def pids(self) -> list[int]:
        """Host pids of every process in it."""
        if self.cgroup_paths:
            return usage.group_pids(self.cgroup_paths)
        if self.spec.linux.namespace("pid"):
            return usage.namespace_pids(self.pid)
        return usage.descendants(self.pid)

    def cpu_time_s(self) -> float:
        """CPU seconds used so far, children that ended included.

        Without a group of its own this is the engine's account where it has one, which every
        native instance and the spawner share: only its differences mean something.
        """
        groups = self.cgroup_paths
        if not groups and self._engine.inherits_group:
            groups = self._engine.cgroup_paths
        return usage.cpu_time_s(groups, () if groups else self.pids())

    def memory(self) -> usage.CgroupMemory | None:
        """Memory charged to its group; None without one."""
        return usage.memory(self.cgroup_paths)

    def stop(self, grace_s: float = 10.0) -> int | None:
        """SIGTERM, then after the grace SIGKILL to all; stamps `stop_asked` and `stopped`.

        Returns:
            The exit status, None where it was deleted before.
        """
        if self._deleted:
            return self._status
        self.stamps.setdefault("stop_asked", time.monotonic_ns())
        if self.spec.process.init and not self._prepared:
            self._await_init()
        self.send_signal(signal.SIGTERM)
        if not self._ended(grace_s):
            self.kill()
            if not self._ended(_KILL_S):
                raise ContainerError(f"{self.id} (pid {self.pid}) outlives SIGKILL; see its stack")
        self.stamps.setdefault("stopped", time.monotonic_ns())
        return self.wait()

    def _await_init(self) -> None:
        """Wait until the init takes signals, at most a tenth of a second after its exec.

        The kernel drops a signal for a PID 1 that neither handles nor blocks it (signal(7),
        pid_namespaces(7)); an init blocks all of them first, to read them from a descriptor.
        """
        for _ in range(100):
            status = Path(f"/proc/{self.pid}/status")
            try:
                blocked = next(
                    line for line in status.read_text().splitlines() if line.startswith("SigBlk")
                )
            except (OSError, StopIteration):
                return
            if int(blocked.split()[1], 16):
                break
            time.sleep(0.001)
        self._prepared = True

    def kill(self) -> None:
        """SIGKILL every process in it; returns at once."""
        if self._deleted:
            return
        self._kill_strays()
        self._engine._ask({"verb": "kill", "what": f"kill {self.id}", "id": self.id})  # noqa: SLF001  # one package

    def delete(self) -> None:
        """Kill what still runs and remove every trace; idempotent.

        Raises:
            SetupError: a group cannot be removed.
        """
        if self._deleted:
            return
        self._kill_strays()
        self._forget(f"delete {self.id}")
        self._engine._containers.pop(self.id, None)  # noqa: SLF001  # one package

    def _kill_strays(self) -> None:
        """Without a group and a pid namespace, children have to be found one by one."""
        if self.cgroup_paths or self.spec.linux.namespace("pid"):
            return
        for pid in usage.descendants(self.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
