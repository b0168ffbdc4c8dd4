"""Limits in the files of v1, of groups that processes are in."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.cgroups import files, usage
from runtime.spec import IoLimit
from runtime.spec.devices import DEFAULT_DEVICES
from tests.integration.runtime.cgroups.conftest import (
    HOLD,
    MIB,
    limit,
    member,
    needs_v1,
    reader,
    wait_until,
)
from tests.integration.runtime.conftest import executed

if TYPE_CHECKING:
    from runtime import Engine, Spec
    from runtime.cgroups import Group, Manager

pytestmark = needs_v1
MEMORY = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
CPU = ("cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.cfs_burst_us")


def test_limits_are_in_force_and_change_while_the_group_is_in_use(group: Group) -> None:
    read = reader(group)
    limit(group, memory_limit_bytes=64 * MIB, memory_swap_bytes=0, cpus=0.5, pids_limit=20)
    assert read("memory", *MEMORY) == [str(64 * MIB)] * 2
    assert read("cpu", *CPU) == ["50000", "100000", "0"]
    with member(group, "sleep", "60") as process:
        assert read("pids", "pids.max", "pids.current") == ["20", "1"]
        limit(group, memory_limit_bytes=256 * MIB)  # above the limit of both so far
        assert read("memory", *MEMORY) == [str(256 * MIB)] * 2
        limit(group, memory_limit_bytes=32 * MIB, memory_swap_bytes=8 * MIB)
        assert read("memory", *MEMORY) == [str(32 * MIB), str(40 * MIB)]
        limit(group, memory_limit_bytes=16 * MIB, memory_reservation_bytes=8 * MIB)
        assert read("memory", *MEMORY) == [str(16 * MIB), str(24 * MIB)]
        assert read("memory", "memory.soft_limit_in_bytes") == [str(8 * MIB)]
        limit(group, cpu_quota_us=30000, cpu_period_us=50000, cpu_burst_us=10000)
        assert read("cpu", *CPU) == ["30000", "50000", "10000"]
        limit(group, cpu_quota_us=5000, cpu_period_us=20000, cpu_burst_us=1000)
        assert read("cpu", *CPU) == ["5000", "20000", "1000"]
        limit(group, cpus=2.0)
        assert read("cpu", *CPU) == ["200000", "100000", "1000"]
        limit(group, cpu_idle=True, cpu_weight=50)
        assert read("cpu", "cpu.idle") == ["1"]
        limit(group, cpu_idle=False, cpu_weight=50, pids_limit=-1, cpu_quota_us=-1)
        assert read("cpu", "cpu.idle", "cpu.shares", CPU[0]) == ["0", "512", "-1"]
        assert read("pids", "pids.max") == ["max"]
        assert process.poll() is None


def test_a_group_above_with_a_quota_of_its_own_lets_both_ends_pass(manager: Manager) -> None:
    files.write(f"{manager.paths['cpu']}/cpu.cfs_quota_us", "50000")
    group = manager.create("one")
    try:
        for quota, period in ((50000, 100000), (5000, 10000), (250000, 500000), (1000, 2000)):
            limit(group, cpu_quota_us=quota, cpu_period_us=period)
            assert reader(group)("cpu", *CPU[:2]) == [str(quota), str(period)]
    finally:
        group.remove()


def test_a_controller_on_demand_takes_the_living_along(group: Group) -> None:
    with member(group, "sh", "-c", "sleep 60 & sleep 60") as process:
        wait_until(lambda: len(files.pids(group.paths["pids"])) == 3)  # two and the shell
        assert not {"cpuset", "blkio", "devices"} & group.paths.keys()
        try:
            limit(group, cpuset="0", io_weight=200)
        except files.CgroupOSError as error:
            if error.errno != errno.ENODEV or "bfq" not in str(error):
                raise
            pytest.skip(f"this kernel has no weight of block I/O: {error}")
        assert os.sched_getaffinity(process.pid) == {0}
        inside = set(files.pids(group.paths["freezer"]))
        for controller in ("cpuset", "blkio"):
            assert set(files.pids(group.paths[controller])) == inside
        assert reader(group)("blkio", "blkio.bfq.weight") == ["109"]


def test_what_this_host_lacks_is_said(group: Group) -> None:
    for asked in ({"unified": {"memory.high": "1"}}, {"memory_high_bytes": MIB}):
        with pytest.raises(files.CgroupOSError) as caught:
            limit(group, **asked)
        assert caught.value.errno == errno.ENODEV
    with member(group, sys.executable, "-I", "-S", "-c", HOLD) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(files.CgroupOSError, match="uses more and cannot be made to use less"):
            limit(group, memory_limit_bytes=4 * MIB, memory_swap_bytes=0)


def disk_of(file: Path) -> tuple[int, int]:
    """Numbers of the disk that a file is on."""
    device = file.stat().st_dev
    entry = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if not entry.exists():
        pytest.skip(f"{file} is on no disk of its own")
    entry = entry.resolve()
    whole = entry.parent if (entry / "partition").exists() else entry
    major, minor = map(int, (whole / "dev").read_text().split(":"))
    return major, minor


def test_disk_limits_and_counts(group: Group) -> None:
    file = Path(sys.executable).resolve()
    major, minor = disk_of(file)
    throttle = IoLimit(major=major, minor=minor, read_bytes_per_s=512 * MIB, read_ops_per_s=10_000)
    limit(group, io_limits=(throttle,))
    rate = "blkio.throttle.read_bps_device"
    assert reader(group)("blkio", rate) == [f"{major}:{minor} {512 * MIB}"]
    dd = ("dd", f"if={file}", "of=/dev/null", "bs=64k", "count=1", "iflag=direct")
    with member(group, *dd, stderr=subprocess.DEVNULL) as process:
        assert process.wait(20) == 0
    disks = usage.statistics(group.paths).disks
    assert disks is not None
    read = next(one for one in disks if (one.major, one.minor) == (major, minor))
    assert read.read_bytes >= 64 << 10  # and what it took to load the program
    assert read.read_ops > 0
    assert read.write_bytes == 0
    limit(group, io_limits=(IoLimit(major=major, minor=minor, read_bytes_per_s=-1),))
    assert reader(group)("blkio", rate) == [""]


def test_a_container_gets_what_its_limits_need(engine: Engine, spec: Spec) -> None:
    resources = replace(spec.linux.resources, devices=DEFAULT_DEVICES, cpuset="0")
    limited = replace(spec, linux=replace(spec.linux, resources=resources))
    with engine.run(limited) as container:
        assert {"devices", "cpuset"} <= container.cgroup_paths.keys()
        assert not {"blkio", "hugetlb"} & container.cgroup_paths.keys()
        command = "head -c 1 /dev/urandom >/dev/null && exec 3<>/dev/ptmx && echo ok"
        assert executed(container, "sh", "-c", f"({command}) 2>&1 | tail -n 1") == (0, "ok\n")
        assert os.sched_getaffinity(container.pid) == {0}
