"""Limits on a directory that poses as a group."""

from __future__ import annotations

import errno
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cgroups import files, legacy_limits, limits, unified_limits, v1, v2
from runtime.spec import DeviceRule, HugepageLimit, IoLimit, Resources

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MEMORY = "memory.limit_in_bytes"
BOTH = "memory.memsw.limit_in_bytes"
QUOTA, PERIOD, BURST = "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.cfs_burst_us"


class Posed:
    """A group of every controller in one directory, with these files."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder = folder
        for name, text in files.items():
            (folder / name).write_text(text)

    def legacy(self, *, fresh: bool = False) -> v1.LegacyGroup:
        return v1.LegacyGroup(
            dict.fromkeys(
                ("memory", "cpu", "pids", "cpuset", "blkio", "hugetlb"), str(self.folder)
            ),
            fresh=fresh,
        )

    def unified(self, *, fresh: bool = False) -> v2.UnifiedGroup:
        everything = {"memory", "cpu", "pids", "cpuset", "io", "hugetlb"}
        return v2.UnifiedGroup(str(self.folder), controllers=everything, fresh=fresh)

    def __getitem__(self, name: str) -> str:
        return (self.folder / name).read_text()


def resources(**values: Any) -> dict[str, Any]:
    return asdict(Resources(**values))


def test_every_limit_of_a_specification_is_written_somewhere() -> None:
    names = {field.name for field in fields(Resources)}
    assert names - legacy_limits._WRITERS.keys() == {"memory_high_bytes", "unified"}
    old = {"memory_tcp_bytes", "memory_swappiness", "memory_oom_kill"}
    assert names - unified_limits._WRITERS.keys() == {"unified", *old}


def test_nothing_asked_for_is_nothing_written(tmp_path: Path) -> None:
    v1.LegacyGroup({}).limit(resources())
    v2.UnifiedGroup(str(tmp_path / "absent")).limit(resources())


def test_a_quota_below_the_burst_in_force_is_explained(tmp_path: Path) -> None:
    posed = Posed(
        tmp_path,
        {QUOTA: "50000", PERIOD: "100000", BURST: "40000", "cpu.max": "50000 100000",
         "cpu.max.burst": "40000"},
    )  # fmt: skip
    for group in (posed.legacy(), posed.unified()):
        with pytest.raises(files.CgroupOSError, match="burst of 40000 us"):
            group.limit(resources(cpu_quota_us=20000))


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [(1.5, (150_000, 100_000)), (0.01, (1000, 100_000)), (0.002, (2000, 1_000_000))],
)
def test_few_cpus_get_a_longer_period(cpus: float, expected: tuple[int, int]) -> None:
    assert limits.bandwidth({"cpus": cpus}) == expected


@pytest.mark.parametrize("wrong", [{"cpus": 0.0005}, {"cpus": 1.0, "cpu_quota_us": 5000}])
def test_cpu_time_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(files.CgroupOSError) as caught:
        limits.bandwidth(wrong)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("name", ["cpu_weight", "io_weight"])
@pytest.mark.parametrize("value", [0, 10_001])
def test_weights_out_of_range_are_refused(name: str, value: int) -> None:
    with pytest.raises(files.CgroupOSError, match=name):
        limits.wanted({name: value})


@given(st.sets(st.integers(0, 300)))
def test_lists_of_cpus(cpus: set[int]) -> None:
    assert limits.numbers(",".join(map(str, cpus))) == cpus
    assert limits.numbers("0-2,5,7-8") == {0, 1, 2, 5, 7, 8}


def test_bfq_weights_keep_ends_and_default() -> None:
    assert [limits.bfq_weight(weight) for weight in (1, 100, 10_000)] == [1, 100, 1000]


DISK = IoLimit(major=8, minor=16, weight=300, read_bytes_per_s=1 << 20, write_ops_per_s=-1)


def test_v1_words(tmp_path: Path) -> None:
    names = (
        MEMORY, BOTH, "memory.soft_limit_in_bytes", QUOTA, PERIOD, BURST, "cpu.shares", "cpu.idle",
        "pids.max", "cpuset.cpus", "cpuset.mems", "blkio.bfq.weight", "blkio.bfq.weight_device",
        "blkio.throttle.read_bps_device", "blkio.throttle.write_iops_device",
        "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.rsvd.limit_in_bytes",
    )  # fmt: skip
    posed = Posed(tmp_path, dict.fromkeys(names, ""))
    posed.legacy(fresh=True).limit(
        resources(
            memory_limit_bytes=8192, memory_swap_bytes=4096, memory_reservation_bytes=4096,
            cpu_quota_us=20000, cpu_period_us=50000, cpu_burst_us=1000, cpu_weight=50,
            cpu_idle=False, pids_limit=-1, cpuset="0-1", cpuset_mems="0", io_weight=200,
            io_limits=(DISK,), hugepage_limits=(HugepageLimit(page_size="2MB", limit_bytes=-1),),
        )
    )  # fmt: skip
    assert {name: posed[name] for name in names} == {
        MEMORY: "8192", BOTH: "12288", "memory.soft_limit_in_bytes": "4096",
        QUOTA: "20000", PERIOD: "50000", BURST: "1000", "cpu.shares": "512", "cpu.idle": "0",
        "pids.max": "max", "cpuset.cpus": "0-1", "cpuset.mems": "0",
        "blkio.bfq.weight": "109", "blkio.bfq.weight_device": "8:16 118",
        "blkio.throttle.read_bps_device": "8:16 1048576",
        "blkio.throttle.write_iops_device": "8:16 0",
        "hugetlb.2MB.limit_in_bytes": "-1", "hugetlb.2MB.rsvd.limit_in_bytes": "-1",
    }  # fmt: skip


def test_v2_words(tmp_path: Path) -> None:
    names = (
        "memory.max", "memory.swap.max", "memory.high", "memory.low", "cpu.max", "cpu.max.burst",
        "cpu.weight", "cpu.idle", "pids.max", "cpuset.cpus", "cpuset.mems", "io.weight", "io.max",
        "hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "memory.oom.group",
    )  # fmt: skip
    effective = {"cpuset.cpus.effective": "0-1", "cpuset.mems.effective": "0"}
    posed = Posed(tmp_path, dict.fromkeys(names, "") | effective)
    posed.unified(fresh=True).limit(
        resources(
            memory_limit_bytes=8192, memory_swap_bytes=-1, memory_high_bytes=6000,
            memory_reservation_bytes=4096, cpu_quota_us=20000, cpu_period_us=50000,
            cpu_burst_us=1000, cpu_weight=50, cpu_idle=False, pids_limit=-1, cpuset="0-1",
            cpuset_mems="0", io_limits=(DISK,), unified={"memory.oom.group": "1"},
            hugepage_limits=(HugepageLimit(page_size="2MB", limit_bytes=4096),),
        )
    )  # fmt: skip
    assert {name: posed[name] for name in names} == {
        "memory.max": "8192", "memory.swap.max": "max", "memory.high": "6000",
        "memory.low": "4096", "cpu.max": "20000 50000", "cpu.max.burst": "1000",
        "cpu.weight": "50", "cpu.idle": "0", "pids.max": "max", "cpuset.cpus": "0-1",
        "cpuset.mems": "0", "io.weight": "8:16 300", "io.max": "8:16 rbps=1048576 wiops=max",
        "hugetlb.2MB.max": "4096", "hugetlb.2MB.rsvd.max": "4096", "memory.oom.group": "1",
    }  # fmt: skip


def test_v2_period_alone_keeps_the_quota(tmp_path: Path) -> None:
    posed = Posed(tmp_path, {"cpu.max": "20000 90000"})
    posed.unified().limit(resources(cpu_period_us=50000))
    assert posed["cpu.max"] == "20000 50000"


def test_an_idle_group_stops_being_idle_to_take_a_weight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posed = Posed(tmp_path, {})
    for group, weight in ((posed.legacy(), "cpu.shares"), (posed.unified(), "cpu.weight")):
        log: list[str] = []
        monkeypatch.setattr(
            files,
            "write",
            lambda path, text, log=log: log.append(f"{path.rpartition('/')[2]} {text}"),
        )
        group.limit(resources(cpu_idle=True, cpu_weight=100))
        assert [line.split()[0] for line in log] == ["cpu.idle", weight, "cpu.idle"]
        assert (log[0], log[-1]) == ("cpu.idle 0", "cpu.idle 1")


@pytest.mark.parametrize("asked", [{"memory_high_bytes": 4096}, {"unified": {"memory.high": "1"}}])
def test_v1_refuses_what_only_v2_has(tmp_path: Path, asked: dict[str, Any]) -> None:
    posed = Posed(tmp_path, {MEMORY: "", "pids.max": "before"})
    with pytest.raises(files.CgroupOSError, match="needs cgroup v2") as caught:
        posed.legacy().limit(resources(pids_limit=5, **asked))
    assert caught.value.errno == errno.ENODEV
    assert posed["pids.max"] == "before"


def test_files_that_this_kernel_lacks_are_named(tmp_path: Path) -> None:
    posed = Posed(tmp_path, {MEMORY: ""})
    for asked, hint in (
        ({"memory_limit_bytes": 4096, "memory_swap_bytes": 0}, "swapaccount"),
        ({"cpu_idle": True}, "Linux 5.15"),
        ({"io_weight": 5}, "bfq"),
        ({"hugepage_limits": (HugepageLimit(page_size="2MB", limit_bytes=1),)}, "of 2MB"),
    ):
        with pytest.raises(files.CgroupOSError, match=hint) as caught:
            posed.legacy(fresh=True).limit(resources(**asked))
        assert caught.value.errno == errno.ENODEV


@pytest.mark.parametrize("size", ["2", "MB", "../2MB", "2MiB"])
def test_sizes_of_huge_pages_are_checked(size: str) -> None:
    with pytest.raises(files.CgroupOSError, match="no size of huge pages"):
        limits.wanted(resources(hugepage_limits=(HugepageLimit(page_size=size, limit_bytes=1),)))


@pytest.mark.parametrize(
    "name",
    ["../memory.max", "a/b.c", "memory", ".", "..", "", "cgroup.procs", "cgroup.kill", "a.\0"],
)
def test_v2_raw_files_are_names_of_limits(tmp_path: Path, name: str) -> None:
    with pytest.raises(files.CgroupOSError, match="no file of a limit") as caught:
        Posed(tmp_path, {}).unified().limit(resources(unified={name: "1"}))
    assert caught.value.errno == errno.EINVAL


def test_v2_raw_files_take_one_line_a_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = []
    monkeypatch.setattr(files, "write", lambda _, text: log.append(text))
    Posed(tmp_path, {}).unified().limit(resources(unified={"io.max": "8:0 rbps=1\n8:16 rbps=2\n"}))
    assert log == ["8:0 rbps=1", "8:16 rbps=2"]


def test_v2_cpus_that_are_not_there_are_refused(tmp_path: Path) -> None:
    posed = Posed(tmp_path, {"cpuset.cpus": "", "cpuset.cpus.effective": "0-1"})
    with pytest.raises(files.CgroupOSError, match="only '0-1'"):
        posed.unified().limit(resources(cpuset="1-2"))


def test_v1_says_that_a_group_uses_more_than_its_new_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: str, text: str) -> None:
        raise files.refusal(f"write {text!r} to {path}: Device or resource busy", errno.EBUSY)

    monkeypatch.setattr(files, "write", write)
    with pytest.raises(files.CgroupOSError, match="uses more"):
        Posed(tmp_path, {MEMORY: "8192"}).legacy().limit(resources(memory_limit_bytes=4096))


def test_wrong_device_rules_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    posed = Posed(tmp_path, {"pids.max": "before"})
    for group in (posed.legacy(), posed.unified()):
        with pytest.raises(files.CgroupOSError, match="device rule"):
            group.limit(resources(pids_limit=1, devices=(DeviceRule(allow=True, type="p"),)))
    assert posed["pids.max"] == "before"


@given(
    st.fixed_dictionaries(
        {
            "memory_limit_bytes": st.sampled_from([None, 4096, -1]),
            "cpus": st.sampled_from([None, 0.5, 0.002]),
            "pids_limit": st.sampled_from([None, 5, -1]),
            "cpu_weight": st.sampled_from([None, None, 7]),
        }
    )
)
def test_the_usual_limits_take_a_shorter_way_to_the_same_end(asked: dict[str, Any]) -> None:
    def written(group: v1.LegacyGroup | v2.UnifiedGroup, usual: Any) -> dict[str, str]:
        found: dict[str, str] = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(limits, "usual", usual)
            patch.setattr(files, "write", lambda path, text: found.update({path: text}))
            group.limit(resources(**asked))
        return found

    everything = {"memory", "cpu", "pids"}
    for make in (
        lambda: v1.LegacyGroup({name: f"/posed/{name}" for name in everything}, fresh=True),
        lambda: v2.UnifiedGroup("/posed", controllers=everything, fresh=True),
    ):
        short, general = written(make(), limits.usual), written(make(), lambda _: None)
        period = {path: text.removesuffix(" 100000") for path, text in general.items()}
        assert short in (general, period)
