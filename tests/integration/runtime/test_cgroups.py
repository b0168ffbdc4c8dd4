"""Control groups on the real kernel: v1's controllers, and v2's own files, which need none."""

from __future__ import annotations

import errno
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime import Engine, Resources, Spec, cgroups, clean, leftovers, usage
from runtime.cgroups import bpf, device_program, files, layout, oom, v2
from runtime.devices import DEFAULT_DEVICES
from runtime.spec import DeviceRule, IoLimit
from tests.integration.runtime.conftest import executed, traces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.cgroups import Group, Manager

MIB = 1 << 20
pytestmark = pytest.mark.skipif(not layout.current().v1, reason="this host's controllers are on v2")


@pytest.fixture
def name() -> Iterator[str]:
    """Of an engine; nothing of that name may be left."""
    made = f"tare-{secrets.token_hex(6)}"
    yield made
    assert traces(made) == []


@pytest.fixture
def manager(name: str) -> Iterator[Manager]:
    made = cgroups.manager(name, layout.current())
    assert made is not None
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def group(manager: Manager) -> Iterator[Group]:
    made = manager.create("one")
    try:
        yield made
    finally:
        made.kill()
        made.remove()


@pytest.fixture
def unified(name: str) -> Iterator[v2.UnifiedGroup]:
    """A group in the v2 hierarchy, which has no controllers here."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    point = next(line.split()[4] for line in mounts if " - cgroup2 " in line)
    own = Path("/proc/self/cgroup").read_text().partition("0::")[2].splitlines()[0]
    path = f"{point}{own}".rstrip("/") + f"/{name}"
    files.make(path)
    made = v2.UnifiedGroup(path, fresh=True)
    try:
        yield made
    finally:
        made.kill()
        made.remove()


@contextmanager
def member(group: Group, *args: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that is in the group before it executes the program."""
    process = subprocess.Popen(
        ["sh", "-c", 'read _ || exit 99; exec "$@" </dev/null', "sh", *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )
    assert process.stdin is not None
    try:
        group.attach(process.pid)
        process.stdin.write("\n")
        process.stdin.close()
        process.stdin = None
        yield process
    finally:
        group.kill()
        process.communicate()


def python(group: Group, program: str) -> str:
    """What a program prints in the group."""
    with member(group, sys.executable, "-I", "-S", "-c", program) as process:
        return process.communicate(timeout=20)[0]


def reader(group: Group) -> Callable[..., list[str]]:
    return lambda controller, *names: [
        files.read(f"{group.paths[controller]}/{name}") for name in names
    ]


HOLD = "import time; kept = bytearray(20 << 20); print(flush=True); time.sleep(60)"
MEMORY = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
CPU = ("cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.cfs_burst_us")


def limit(group: Group, **values: Any) -> None:
    group.limit(asdict(Resources(**values)))


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
        limit(group, cpuset="0", io_weight=200)
        assert os.sched_getaffinity(process.pid) == {0}
        inside = set(files.pids(group.paths["freezer"]))
        for controller in ("cpuset", "blkio"):
            assert set(files.pids(group.paths[controller])) == inside
        assert reader(group)("blkio", "blkio.bfq.weight") == ["109"]


def wait_until(condition: Callable[[], bool], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


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


@pytest.fixture(params=["v1", "v2"])
def either(request: pytest.FixtureRequest) -> Group:
    made: Group = request.getfixturevalue("group" if request.param == "v1" else "unified")
    return made


def test_frozen_nothing_runs_and_everything_can_be_killed(either: Group) -> None:
    with member(either, "yes") as process:
        assert process.stdout is not None
        output = process.stdout.fileno()
        os.read(output, 1)
        either.freeze()
        assert either.frozen()
        os.set_blocking(output, False)
        drain(output)
        assert not select.select([output], [], [], 0.1)[0]
        either.thaw()
        assert select.select([output], [], [], 10)[0]
        assert os.read(output, 1)
        assert not either.frozen()
        either.freeze()
        either.kill()
        assert process.wait(10) == -signal.SIGKILL


def drain(pipe: int) -> None:
    """Read what is in it; a writer that goes on would keep us busy, so no more than it can hold."""
    for _ in range(64):
        try:
            os.read(pipe, 1 << 16)
        except BlockingIOError:
            return


TRY = """
import os
for name, flags in (("null", os.O_RDWR), ("zero", os.O_RDONLY), ("kmsg", os.O_RDONLY)):
    path = "/dev/" + name
    try:
        os.close(os.open(path, flags))
        print(path, "ok")
    except OSError as error:
        print(path, error.errno)
try:
    os.mknod("node", 0o020666, os.makedev(1, 3))
    print("mknod ok")
    os.unlink("node")
except OSError as error:
    print("mknod", error.errno)
"""


def tried(group: Group, folder: Path) -> dict[str, str]:
    with member(group, sys.executable, "-I", "-S", "-c", TRY, cwd=folder) as process:
        return dict(line.split() for line in process.communicate(timeout=20)[0].splitlines())


def test_devices(either: Group, tmp_path: Path) -> None:
    limit(either, devices=DEFAULT_DEVICES)
    assert tried(either, tmp_path) == {
        "/dev/null": "ok", "/dev/zero": "ok", "/dev/kmsg": "1", "mknod": "1",
    }  # fmt: skip
    # a later list takes the place of the earlier one; wildcards, and rules by kind of access
    limit(either, devices=(*DEFAULT_DEVICES, DeviceRule(allow=True, type="c", access="m")))
    assert tried(either, tmp_path)["mknod"] == "ok"
    read_only = (
        DeviceRule(allow=True, type="c", major=1, access="rw"),
        DeviceRule(allow=False, type="c", major=1, access="w"),
    )
    limit(either, devices=read_only)
    assert tried(either, tmp_path) == {
        "/dev/null": "1", "/dev/zero": "ok", "/dev/kmsg": "ok", "mknod": "1",
    }  # fmt: skip
    limit(either, devices=(DeviceRule(allow=True),))
    assert set(tried(either, tmp_path).values()) == {"ok"}


def test_one_device_program_at_a_time_and_none_of_others(unified: v2.UnifiedGroup) -> None:
    fd = unified.into_fd()
    foreign = bpf.load(device_program.assemble(_allow_all()), "someone_else")
    bpf.attach(fd, foreign)
    os.close(foreign)
    for _ in range(3):
        limit(unified, devices=DEFAULT_DEVICES)
        programs = bpf.attached(fd, device_program.NAME)
        others = bpf.attached(fd, "someone_else")
        for descriptor in (*programs, *others):
            os.close(descriptor)
        assert (len(programs), len(others)) == (1, 1)


def _allow_all() -> Any:
    from runtime.cgroups import devices

    return devices.policy([asdict(DeviceRule(allow=True))])


def test_out_of_memory_is_seen_and_counted(group: Group) -> None:
    limit(group, memory_limit_bytes=32 * MIB, memory_swap_bytes=0)
    with oom.OomWatch(group.paths) as watch:
        assert (oom.oom_kills(group.paths), watch.wait(0)) == (0, 0)
        with member(group, sys.executable, "-I", "-S", "-c", "bytearray(128 << 20)") as process:
            assert select.select([watch], [], [], 20)[0]
            assert watch.wait(20) == 1
            assert process.wait(20) == -signal.SIGKILL
        assert watch.kills() == oom.oom_kills(group.paths) == 1
        assert not select.select([watch], [], [], 0)[0]
    counted = usage.statistics(group.paths).memory
    assert counted is not None
    assert counted.oom_kills == 1


def test_statistics_are_what_happened(group: Group) -> None:
    limit(group, memory_limit_bytes=128 * MIB, cpus=1.0, pids_limit=9)
    with member(group, sys.executable, "-I", "-S", "-c", HOLD) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = usage.statistics(group.paths)
    assert found.memory is not None
    assert found.cpu is not None
    assert found.memory.limit_bytes == 128 * MIB
    assert found.memory.anon_bytes is not None
    assert 20 * MIB <= found.memory.anon_bytes < 40 * MIB
    assert found.memory.usage_bytes is not None
    assert found.memory.usage_bytes >= found.memory.anon_bytes
    assert found.cpu.usage_s is not None
    assert found.cpu.usage_s > 0
    assert found.pids == usage.CgroupPids(current=1, limit=9)
    assert found.disks is None  # nobody counts them where there is no limit


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


def test_v2_statistics_need_no_controllers(unified: v2.UnifiedGroup) -> None:
    assert python(unified, "print(sum(range(10**6)))") == "499999500000\n"
    found = usage.statistics(unified.paths)
    assert found.cpu is not None
    assert found.cpu.usage_s is not None
    assert found.cpu.usage_s > 0
    assert found.pressure.cpu is not None
    assert found.memory is None


@pytest.mark.parametrize("prefix", ["/", ""])
def test_a_group_at_a_place_of_ones_own(name: str, prefix: str) -> None:
    made = cgroups.at(f"{prefix}{name}/deep/one", ("cpuset",))
    try:
        for controller, path in made.paths.items():
            base = layout.current().roots if prefix else layout.current().v1
            assert path == f"{base[controller]}/{name}/deep/one"
        with member(made, "sleep", "60") as process:
            # another process, which knows what the first has stored
            again = cgroups.open_at(made.paths, made=made.made, spare=made.spare)
            limit(again, pids_limit=7, devices=DEFAULT_DEVICES)
            assert reader(again)("pids", "pids.max") == ["7"]
            pid = str(process.pid)
            assert reader(again)("devices", "cgroup.procs") == [pid]
            with pytest.raises(files.CgroupOSError, match="holds processes"):
                cgroups.at(f"{prefix}{name}/deep/one")
            again.freeze()
            assert again.frozen()
            again.kill()
            assert process.wait(10) == -signal.SIGKILL
        again.remove()
    finally:
        made.remove()


def test_a_container_gets_what_its_limits_need(engine: Engine, spec: Spec) -> None:
    resources = replace(spec.linux.resources, devices=DEFAULT_DEVICES, cpuset="0")
    limited = replace(spec, linux=replace(spec.linux, resources=resources))
    with engine.run(limited) as container:
        assert {"devices", "cpuset"} <= container.cgroup_paths.keys()
        assert not {"blkio", "hugetlb"} & container.cgroup_paths.keys()
        command = "head -c 1 /dev/urandom >/dev/null && exec 3<>/dev/ptmx && echo ok"
        assert executed(container, "sh", "-c", f"({command}) 2>&1 | tail -n 1") == (0, "ok\n")
        assert os.sched_getaffinity(container.pid) == {0}


def test_a_paused_container_is_deleted(engine: Engine, spec: Spec) -> None:
    container = engine.run(spec)
    paths = {name: str(path) for name, path in container.cgroup_paths.items()}
    cgroups.open_at(paths).freeze()
    container.delete()
    assert not any(Path(path).exists() for path in paths.values())


def test_a_paused_container_of_a_killed_engine_is_cleaned_up(state: Path, spec: Spec) -> None:
    engine = Engine(state)
    container = engine.run(spec)
    paths = {name: str(path) for name, path in container.cgroup_paths.items()}
    cgroups.open_at(paths).freeze()
    os.kill(engine.spawner_pid, signal.SIGKILL)
    engine._process.wait()
    assert clean(state)
    assert leftovers(state) == []
    assert traces(engine.name) == []
    engine.close()
