"""``floor``: the bare system calls of the default container, made by a small C program.

No runtime can be much faster on this host; see ``sandboxes/floor``. It only starts programs: no
command can be run in an instance.
"""

import array
import os
import signal
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import runtime
from benchmarks.errors import MeasurementError
from benchmarks.results.records import SandboxInfo
from benchmarks.sandboxes import floor, limits
from benchmarks.sandboxes.base import ENVIRONMENT, PAYLOAD, Setting
from benchmarks.sandboxes.capture import FirstByte
from benchmarks.sandboxes.external.client import Helper, ended
from benchmarks.sandboxes.external.instance import Started
from benchmarks.sandboxes.external.oci_bundle import expand
from benchmarks.sandboxes.external.sandbox import ExternalSandbox
from benchmarks.sandboxes.registry import NO_CGROUP, Kind, register
from runtime import seccomp
from runtime.harness import CANDIDATES, PERIOD_US, Manager, cgroups, files, layout

_ANSWER = struct.Struct("<qqqq64s")


class FloorSandbox(ExternalSandbox):
    """Starts containers by the C program."""

    def __init__(self, name: str, setting: Setting) -> None:
        """Build the program where it is not built yet.

        Raises:
            UnsuitableHostError: It cannot be built, or something every external sandbox needs is
                missing.
        """
        super().__init__(name, setting)
        self._program = floor.build()
        variant = name.partition(":")[2]
        self._limited = variant != NO_CGROUP
        self._init = next((path for path in CANDIDATES if Path(path).is_file()), None)
        self._manager: Manager | None = None
        self._control: socket.socket | None = None
        resources = setting.resources
        self._limits = {
            "memory_limit_bytes": resources.memory_bytes,
            "cpus": float(resources.cpus),
            "pids_limit": limits.PIDS_LIMIT,
        }
        self._swap = limits.swap_bytes()
        self.info = SandboxInfo(
            name=name,
            kind="floor",
            profile=variant or "default",
            boundaries=("spawned", "ready", "main"),
            caveats=("The floor is a bound on what a start can cost, not a container runtime.",),
            details={
                "program": str(self._program),
                "cpuset": list(resources.cpuset),
                "differs": [
                    "C without a specification: the same system calls, by the older mount(2)",
                    "no check of what an image may have planted, no command in an instance",
                    *(() if self._limited else ("no control group, no cgroup namespace",)),
                ],
            },
        )

    def open(self) -> None:
        """Start the helper, which starts the program in its own mount namespace."""
        homes = [Path(home) for home in cgroups.homes()] if self._limited else []
        self._helper = Helper(
            self._state,
            affinity=self.setting.resources.cpuset,
            parents=homes,
        )
        if self._limited:
            self._manager = cgroups.manager(self._helper.name, layout.current())
            if self._manager is None:
                raise MeasurementError("no control group controller can be used")
        spec = runtime.profiles.default(rootfs=self.image_root, args=list(PAYLOAD))
        mapping = spec.linux.uid_mappings[0]
        line = f"{mapping.container_id} {mapping.host_id} {mapping.size}\n"
        lower, _ = self._helper.ask("lower", image=str(self.image_root), uids=line, gids=line)
        program = seccomp.compile_profile(spec.linux.seccomp)
        base, _ = self._helper.ask("put", files={"filter": program})
        options = [word for path in expand(spec.linux.masked_paths) for word in ("-m", path)]
        options += [word for path in spec.linux.readonly_paths for word in ("-r", path)]
        self._control, program_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(limits.START_TIMEOUT_S)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        with program_end:
            _, fds = self._helper.ask(
                "spawn",
                (null, null, null, program_end.fileno()),
                argv=(
                    str(self._program),
                    "3",
                    lower["path"],
                    str(mapping.host_id),
                    str(mapping.size),
                    self._init or "-",
                    f"{base['base']}/filter",
                    *options,
                    "--",
                    *PAYLOAD,
                ),
                env=dict(ENVIRONMENT),
                targets=(0, 1, 2, 3),
            )
        os.close(null)
        os.close(fds[0])

    def close(self) -> None:
        """End the program, and remove the group of all its instances."""
        if self._control is not None:
            self._control.close()
        if self._manager is not None:
            self._manager.close()
            self._manager = None

    def launch(self, name: str) -> Started:
        """Have the program start one."""
        assert self._control is not None
        groups, lines = self._group(name)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            with FirstByte() as first:
                rights = array.array("i", (null, null, null, first.child))
                requested = time.monotonic_ns()
                self._control.sendmsg(
                    [b"\n" + lines.encode()],
                    [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)],
                )
                pid, spawned, ready, pidfd = self._receive()
                first.close_child_end()
                main = first.stamp(limits.START_TIMEOUT_S)
        except MeasurementError:
            self._remove_groups(groups)
            raise
        except OSError as error:
            raise MeasurementError(f"the floor program is gone: {error}") from error
        finally:
            os.close(null)
        stamps = {"requested": requested, "spawned": spawned, "ready": ready}
        started = Started(name, pid, (pidfd,), stamps, groups)
        if main is None:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            ended(pidfd, limits.KILL_TIMEOUT_S)
            self.remove(started)
            raise MeasurementError("the workload never ran its first instruction", timed_out=True)
        return replace(started, stamps={**stamps, "main": main})

    def _receive(self) -> tuple[int, int, int, int]:
        assert self._control is not None
        data, fds, _, _ = socket.recv_fds(self._control, _ANSWER.size, 1)
        if len(data) != _ANSWER.size:
            raise MeasurementError("the floor program has ended")
        pid, spawned, ready, error, step = _ANSWER.unpack(data)
        if error or not fds:
            what = step.rstrip(b"\0").decode(errors="replace")
            raise MeasurementError(f"{what}: {os.strerror(error)}")
        return pid, spawned, ready, fds[0]

    def _group(self, name: str) -> tuple[dict[str, Path], str]:
        """Return the instance's groups, and the lines that have the program make them."""
        if self._manager is None:
            return {}, ""
        # as the runtime: no group for what only some limits need
        groups = {
            key: Path(path) / name
            for key, path in self._manager.paths.items()
            if key not in layout.V1_ON_DEMAND
        }
        folders = list(dict.fromkeys(groups.values()))  # cpu and cpuacct often share one
        lines = [f"m {folder}" for folder in folders]
        memory, cpus = self._limits["memory_limit_bytes"], self._limits["cpus"]
        quota = round(cpus * PERIOD_US)
        if "unified" in groups:
            folder = groups["unified"]
            lines += [
                f"w {folder}/memory.max {memory}",
                *([] if self._swap is None else [f"w {folder}/memory.swap.max {self._swap}"]),
                f"w {folder}/cpu.max {quota} {PERIOD_US}",
                f"w {folder}/pids.max {limits.PIDS_LIMIT}",
                f"i {folder}",
            ]
            return groups, "\n".join(lines)
        written = [
            ("memory", "memory.limit_in_bytes", memory),
            ("cpu", "cpu.cfs_quota_us", quota),
            ("pids", "pids.max", limits.PIDS_LIMIT),
        ]
        if self._swap is not None:  # the sum of both; never below the limit of memory
            written.insert(1, ("memory", "memory.memsw.limit_in_bytes", memory + self._swap))
        for controller, file, value in written:
            if controller in groups:
                lines.append(f"w {groups[controller]}/{file} {value}")
        lines += [f"a {folder}/cgroup.procs" for folder in folders]
        return groups, "\n".join(lines)

    def remove(self, started: Started) -> None:
        """Remove its groups."""
        self._remove_groups(started.groups)
        super().remove(started)

    @staticmethod
    def _remove_groups(groups: Mapping[str, Path]) -> None:
        for folder in groups.values():
            files.remove(str(folder))


register(
    Kind(
        name="floor",
        title="the bare system calls of a container, by a C program",
        names=("floor", "floor:no-cgroup"),
        open=FloorSandbox,
        limits="as the container",
        suite_rounds=30,
    )
)
