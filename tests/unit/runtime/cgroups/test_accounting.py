"""Statistics of groups, from directories that pose as v1 and v2."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.cgroups import usage

V2 = {
    "memory.current": "5000\n",
    "memory.peak": "9000\n",
    "memory.max": "max\n",
    "memory.swap.current": "11\n",
    "memory.stat": "anon 1\nfile 2\nkernel 3\nkernel_stack 4\npagetables 5\nsock 6\nslab 7\n",
    "memory.events": "low 0\nmax 3\noom 2\noom_kill 1\n",
    "cpu.stat": "usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\nnr_periods 9\n"
    "nr_throttled 4\nthrottled_usec 500000\n",
    "pids.current": "3\n",
    "pids.max": "64\n",
    "io.stat": "254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n8:0\n",
    "cpu.pressure": "some avg10=1.50 avg60=2.25 avg300=0.10 total=1500000\n",
    "io.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"
    "full avg10=0.00 avg60=0.00 avg300=7.00 total=2\n",
}
V1 = {
    "memory/memory.usage_in_bytes": "5000\n",
    "memory/memory.max_usage_in_bytes": "9000\n",
    "memory/memory.limit_in_bytes": "9223372036854771712\n",
    "memory/memory.kmem.usage_in_bytes": "3\n",
    "memory/memory.kmem.tcp.usage_in_bytes": "6\n",
    "memory/memory.stat": "rss 0\ntotal_rss 1\ntotal_cache 2\ntotal_swap 11\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    "cpu/cpu.stat": "nr_periods 9\nnr_throttled 4\nthrottled_time 500000000\n",
    "cpuacct/cpuacct.usage": "3000000000\n",
    "cpuacct/cpuacct.usage_user": "2000000000\n",
    "cpuacct/cpuacct.usage_sys": "1000000000\n",
    "pids/pids.current": "3\n",
    "pids/pids.max": "max\n",
    "blkio/blkio.throttle.io_service_bytes_recursive": "254:0 Read 1\n254:0 Write 2\n"
    "254:0 Sync 3\n254:0 Total 3\nTotal 3\n",
    "blkio/blkio.throttle.io_serviced_recursive": "254:0 Read 3\n254:0 Write 4\nTotal 7\n",
}


def pose(root: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)


CPU = usage.CgroupCpu(
    usage_s=3.0, user_s=2.0, system_s=1.0, periods=9, throttled_periods=4, throttled_s=0.5
)
DISK = usage.CgroupDisk(major=254, minor=0, read_bytes=1, write_bytes=2, read_ops=3, write_ops=4)


def test_v2(tmp_path: Path) -> None:
    pose(tmp_path, V2)
    nothing = usage.Stall(avg10_percent=0, avg60_percent=0, avg300_percent=0, total_s=1e-6)
    assert usage.statistics({"unified": str(tmp_path)}) == usage.CgroupStatistics(
        memory=usage.CgroupMemory(
            usage_bytes=5000, peak_bytes=9000, limit_bytes=None, swap_bytes=11, anon_bytes=1,
            file_bytes=2, kernel_bytes=3, kernel_stack_bytes=4, page_tables_bytes=5, sock_bytes=6,
            slab_bytes=7, oom_kills=1,
        ),
        cpu=CPU,
        pids=usage.CgroupPids(current=3, limit=64),
        disks=(DISK,),
        pressure=usage.CgroupPressure(
            cpu=usage.Pressure(
                some=usage.Stall(
                    avg10_percent=1.5, avg60_percent=2.25, avg300_percent=0.1, total_s=1.5
                )
            ),
            memory=None,
            io=usage.Pressure(
                some=nothing,
                full=usage.Stall(avg10_percent=0, avg60_percent=0, avg300_percent=7, total_s=2e-6),
            ),
        ),
    )  # fmt: skip


def test_v1(tmp_path: Path) -> None:
    pose(tmp_path, V1)
    groups = {name: tmp_path / name for name in ("memory", "cpu", "cpuacct", "pids", "blkio")}
    assert usage.statistics(groups) == usage.CgroupStatistics(
        memory=usage.CgroupMemory(
            usage_bytes=5000, peak_bytes=9000, limit_bytes=None, swap_bytes=11, anon_bytes=1,
            file_bytes=2, kernel_bytes=3, sock_bytes=6, oom_kills=1,
        ),
        cpu=CPU,
        pids=usage.CgroupPids(current=3, limit=None),
        disks=(DISK,),
    )  # fmt: skip


@pytest.mark.parametrize("groups", [{}, {"freezer": Path("/nowhere")}])
def test_what_nobody_counts_is_none(groups: dict[str, Path]) -> None:
    assert usage.statistics(groups) == usage.CgroupStatistics()


def test_a_v2_group_without_controllers_still_has_cpu_time_and_pressure(tmp_path: Path) -> None:
    pose(tmp_path, {name: V2[name] for name in ("cpu.stat", "cpu.pressure")})
    found = usage.statistics({"unified": tmp_path})
    assert (found.memory, found.pids, found.disks) == (None, None, None)
    assert found.cpu == CPU
    assert found.pressure.cpu is not None
