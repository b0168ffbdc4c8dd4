"""Program for the root of a guest: use cgroup v2 with all its controllers, print the results.

The guest has nothing mounted there, so its root group can delegate controllers.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime import cgroups, syscalls
from runtime.cgroups import files, layout, oom, v2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.cgroups import Group

MIB = 1 << 20
ROOT = Path("/sys/fs/cgroup")


@contextmanager
def member(group: Group) -> Iterator[int]:
    """A process that is born in the group and sleeps."""
    pid, pidfd = syscalls.clone3(0, cgroup_fd=group.into_fd())
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    try:
        yield pid
    finally:
        group.kill()
        os.waitpid(pid, 0)
        os.close(pidfd)


@contextmanager
def made(manager: cgroups.Manager, name: str) -> Iterator[tuple[Group, Callable[..., list[str]]]]:
    """A group, and a way to read its files."""
    group = manager.create(name)
    folder = group.paths["unified"]
    try:
        yield group, lambda *names: [files.read(f"{folder}/{name}") for name in names]
    finally:
        group.remove()


def refused(action: Callable[[], object]) -> str:
    try:
        action()
    except files.CgroupOSError as error:
        return str(error)
    return "not refused"


def limits(manager: cgroups.Manager) -> dict[str, Any]:
    """Every limit, up and down while a process is in the group."""
    found: dict[str, Any] = {}
    cpu = ("cpu.max", "cpu.max.burst")
    with made(manager, "limits") as (group, read):
        group.limit({"memory_limit_bytes": 64 * MIB, "memory_swap_bytes": 0, "pids_limit": 9,
                     "memory_high_bytes": 60 * MIB, "memory_reservation_bytes": MIB, "cpus": 0.5,
                     "cpu_weight": 50})  # fmt: skip
        found["new"] = read("memory.max", "memory.swap.max", "memory.high", "memory.low", "cpu.max",
                            "cpu.weight", "pids.max")  # fmt: skip
        with member(group) as pid:
            found["member"] = read("cgroup.procs") == [str(pid)]
            group.limit({"cpu_quota_us": 200_000, "cpu_burst_us": 150_000})
            found["up"] = read(*cpu)
            group.limit({"cpu_quota_us": 20_000, "cpu_burst_us": 5000})
            found["down"] = read(*cpu)
            found["burst"] = refused(lambda: group.limit({"cpu_quota_us": 2000}))
            group.limit({"cpu_period_us": 50_000})
            found["period"] = read("cpu.max")
            group.limit({"cpu_idle": True, "cpu_weight": 70})
            group.limit({"cpu_idle": False, "cpu_weight": 77, "pids_limit": -1, "cpu_quota_us": -1})
            found["lifted"] = read("cpu.idle", "cpu.weight", "pids.max", "cpu.max")
            found["before"] = files.read(f"{ROOT}/cgroup.subtree_control").split()
            group.limit({"cpuset": "0", "cpuset_mems": "0", "io_weight": 200})
            found["asked"] = read("cpuset.cpus.effective", "cpuset.mems.effective", "io.weight")
            found["affinity"] = sorted(os.sched_getaffinity(pid))
            group.limit({"unified": {"memory.oom.group": "1", "cgroup.max.depth": "3"}})
            found["raw"] = read("memory.oom.group", "cgroup.max.depth")
            pages = ({"page_size": "2MB", "limit_bytes": 4 * MIB},)
            group.limit({"hugepage_limits": pages})
            found["pages"] = read("hugetlb.2MB.max")
            found["no pages"] = refused(
                lambda: group.limit({"hugepage_limits": ({**pages[0], "page_size": "3MB"},)})
            )
            device = Path("/dev/vda").stat().st_rdev
            disk = {"major": os.major(device), "minor": os.minor(device), "read_bytes_per_s": MIB}
            group.limit({"io_limits": ({**disk, "write_ops_per_s": 100},)})
            group.limit({"io_limits": ({**disk, "read_bytes_per_s": -1},)})
            found["io"] = read("io.max")[0].partition(" ")[2]
    return found


def out_of_memory(manager: cgroups.Manager) -> dict[str, Any]:
    """A hog in a small group."""
    with made(manager, "hog") as (group, _):
        group.limit({"memory_limit_bytes": 32 * MIB, "memory_swap_bytes": 0})
        with oom.OomWatch(group.paths) as watch:
            before = watch.wait(0)
            pid, pidfd = syscalls.clone3(0, cgroup_fd=group.into_fd())
            if pid == 0:
                bytearray(128 * MIB)
                os._exit(0)
            kills = watch.wait(20)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.close(pidfd)
            counted = oom.oom_kills(group.paths)
            group.remove()
            return {"before": before, "kills": kills, "status": status, "counted": counted,
                    "gone": (watch.wait(5), watch.gone)}  # fmt: skip


def place(path: str) -> dict[str, Any]:
    """A group at a place of the caller's, and what another process does with it."""
    group = cgroups.at(path, ("cpuset",))
    folder = group.paths["unified"]
    with member(group):
        again = cgroups.open_at(group.paths, made=group.made)
        again.limit({"pids_limit": 5, "io_weight": 50})
        again.freeze()
        found = {
            "made": group.made,
            "limits": [files.read(f"{folder}/{name}") for name in ("pids.max", "io.weight")],
            "frozen": again.frozen(),
            "used": refused(lambda: cgroups.at(path)),
        }
    again.remove()
    return found | {"left": [path for path in group.made if Path(path).exists()]}


def busy() -> dict[str, Any]:
    """An engine that starts in a group with processes, as in a login session."""
    own = ROOT / "session"
    own.mkdir()
    pid = os.fork()
    if pid == 0:
        (own / "cgroup.procs").write_text("0")
        os._exit(int(_busy(own) != GOOD))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    own.rmdir()
    return {"as it should": status == 0}


GOOD = (str(ROOT / "tare-000000000001"), "domain", "", "50000 100000")


def _busy(own: Path) -> tuple[str, ...]:
    manager = cgroups.manager("tare-000000000001", layout.current())
    assert manager is not None
    with made(manager, "one") as (group, read):
        group.limit({"cpus": 0.5})
        quota = read("cpu.max")[0]
    v2.enable(str(own))
    state = [files.read(f"{own}/cgroup.{name}") for name in ("type", "subtree_control")]
    manager.close()
    return (manager.paths["unified"], *state, quota)


def main() -> None:
    """Print what happened as JSON."""
    ROOT.mkdir(exist_ok=True)
    syscalls.mount("cgroup2", str(ROOT), "cgroup2", 0)
    manager = cgroups.manager("tare-000000000000", layout.current())
    assert manager is not None
    try:
        report = {"limits": limits(manager), "oom": out_of_memory(manager), "busy": busy(),
                  "absolute": place("/pod/one"), "relative": place("pod/one")}  # fmt: skip
    finally:
        manager.close()
    report["left"] = [path.name for path in ROOT.iterdir() if path.is_dir()]
    print(json.dumps(report))  # noqa: T201  # that is what it is for
