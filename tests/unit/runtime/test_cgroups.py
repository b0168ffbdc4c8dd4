"""Control groups on a temporary directory that poses as a cgroup file system."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from runtime import cgroups
from runtime.cgroups import files, layout, v1, v2

if TYPE_CHECKING:
    from pathlib import Path

HYBRID_MOUNTS = """\
31 23 0:28 / {root} rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / {root}/cpu rw,relatime - cgroup cgroup rw,cpu
35 31 0:32 / {root}/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / {root}/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / {root}/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / {root}/unified rw,relatime - cgroup2 cgroup2 rw
"""
HYBRID_OWN = "8:pids:/\n4:memory:/jobs/a\n1:cpu:/\n9:name=systemd:/\n0::/\n"


@pytest.fixture
def hybrid(tmp_path: Path) -> Path:
    for name in ("cpu", "memory/jobs/a", "pids", "unified"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "unified/cgroup.controllers").write_text("hugetlb\n")
    return tmp_path


def test_hybrid_host_uses_v1_below_own_group(hybrid: Path) -> None:
    found = layout.discover(HYBRID_MOUNTS.format(root=hybrid), HYBRID_OWN)
    assert found.v2 == ""
    assert found.v1 == {
        "cpu": f"{hybrid}/cpu",
        "memory": f"{hybrid}/memory/jobs/a",
        "pids": f"{hybrid}/pids",
    }


def test_controller_whose_own_group_is_not_visible_is_left_out(hybrid: Path) -> None:
    own = HYBRID_OWN.replace("/jobs/a", "/elsewhere")
    found = layout.discover(HYBRID_MOUNTS.format(root=hybrid), own)
    assert "memory" not in found.v1


def test_namespaced_mount_root_is_stripped(hybrid: Path) -> None:
    mounts = HYBRID_MOUNTS.format(root=hybrid).replace("0:32 / ", "0:32 /docker/x ")
    (hybrid / "memory/sub").mkdir()
    found = layout.discover(mounts, HYBRID_OWN.replace("/jobs/a", "/docker/x/sub"))
    assert found.v1["memory"] == f"{hybrid}/memory/sub"


def test_v2_with_memory_controller_wins(hybrid: Path) -> None:
    (hybrid / "unified/cgroup.controllers").write_text("cpuset cpu memory pids\n")
    found = layout.discover(HYBRID_MOUNTS.format(root=hybrid), HYBRID_OWN)
    assert found == layout.Layout(v1={}, v2=f"{hybrid}/unified")


def test_no_controller_means_no_manager() -> None:
    assert cgroups.manager("tare-0", layout.Layout(v1={}, v2="")) is None


def test_v1_limits_are_written_to_their_controllers(tmp_path: Path) -> None:
    own = {}
    for name in ("memory", "cpu", "pids"):
        (tmp_path / name).mkdir()
        own[name] = str(tmp_path / name)
    group = v1.LegacyManager("tare-0", own).create("a")
    for name in ("memory/{}/memory.limit_in_bytes", "cpu/{}/cpu.cfs_quota_us", "pids/{}/pids.max"):
        (tmp_path / name.format("tare-0/a")).write_text("")
    group.limit({"memory_limit_bytes": 1 << 20, "cpus": 1.5, "pids_limit": 9, "cpuset": None})
    assert (tmp_path / "memory/tare-0/a/memory.limit_in_bytes").read_text() == "1048576"
    assert (tmp_path / "cpu/tare-0/a/cpu.cfs_quota_us").read_text() == "150000"
    assert (tmp_path / "pids/tare-0/a/pids.max").read_text() == "9"


def test_v1_limit_without_its_controller_is_an_error_not_silence(tmp_path: Path) -> None:
    group = v1.LegacyManager("tare-0", {"pids": str(tmp_path)}).create("a")
    with pytest.raises(files.CgroupOSError, match="no cgroup controller 'memory'"):
        group.limit({"memory_limit_bytes": 1})


def test_v1_new_cpuset_inherits_before_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "cpuset.cpus").write_text("0-1\n")
    (tmp_path / "cpuset.mems").write_text("0\n")
    with pytest.raises(files.CgroupOSError, match=r"cpuset\.cpus"):
        # a plain directory has no attribute files: the write that is tried shows the order
        v1.LegacyManager("tare-0", {"cpuset": str(tmp_path)})


def test_half_made_v1_groups_are_unwound(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "pids").mkdir()
    manager = v1.LegacyManager(
        "tare-0", {"memory": str(tmp_path / "memory"), "pids": str(tmp_path / "pids")}
    )
    (tmp_path / "pids/tare-0/a").mkdir()
    with pytest.raises(files.CgroupOSError) as caught:
        manager.create("a")
    assert caught.value.errno == errno.EEXIST
    assert not (tmp_path / "memory/tare-0/a").exists()


class Freezer:
    """A group with one process that freezes at the third look and dies when it is killed.

    While it is not frozen, a kill brings a new one forth.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.looks = 0
        self.log: list[str] = []
        (folder / "cgroup.procs").write_text("1111\n")
        (folder / "freezer.state").write_text("THAWED\n")

    def read(self, path: str) -> str:
        if path.endswith("freezer.state"):
            self.looks += 1
            return "FROZEN" if self.looks >= 3 else "FREEZING"
        return (self.folder / "cgroup.procs").read_text().strip()

    def write(self, path: str, text: str) -> None:
        assert path == str(self.folder / "freezer.state")
        self.log.append(text)

    def kill(self, pid: int, _: int) -> None:
        self.log.append(f"kill {pid}")
        left = "" if self.looks >= 3 else "2222\n"
        (self.folder / "cgroup.procs").write_text(left)


def test_v1_kill_waits_until_the_group_is_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posed = Freezer(tmp_path)
    monkeypatch.setattr(files, "read", posed.read)
    monkeypatch.setattr(files, "write", posed.write)
    monkeypatch.setattr("os.kill", posed.kill)
    v1.LegacyGroup({"freezer": str(tmp_path)}).kill()
    assert posed.log == ["FROZEN", "kill 1111", "THAWED"]


def test_v1_kill_repeats_until_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posed = Freezer(tmp_path)
    monkeypatch.setattr(v1, "_FREEZE_S", 0)  # never gets it frozen at once
    monkeypatch.setattr(files, "read", posed.read)
    monkeypatch.setattr(files, "write", posed.write)
    monkeypatch.setattr("os.kill", posed.kill)
    v1.LegacyGroup({"freezer": str(tmp_path)}).kill()
    kills = [line for line in posed.log if line.startswith("kill")]
    assert kills == ["kill 1111", "kill 2222", "kill 2222"]
    assert posed.log[-1] == "THAWED"


def test_v1_close_removes_what_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_RETRIES", 1)
    for name in ("memory", "pids"):
        (tmp_path / name).mkdir()
    manager = v1.LegacyManager("tare-0", {n: str(tmp_path / n) for n in ("memory", "pids")})
    (tmp_path / "memory/tare-0/busy").write_text("")
    with pytest.raises(files.CgroupOSError, match="memory/tare-0"):
        manager.close()
    assert not (tmp_path / "pids/tare-0").exists()


def test_missing_controllers_are_said() -> None:
    assert cgroups.losses({"unified"}) == []
    assert len(cgroups.losses({"freezer", "memory", "cpu", "pids"})) == 1
    assert "'cpuacct'" in cgroups.losses({"freezer", "memory", "cpu", "pids"})[0]


@pytest.fixture
def unified(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids hugetlb\n")
    (tmp_path / "cgroup.subtree_control").write_text("")
    return tmp_path


def test_v2_limits_use_v2_words(unified: Path) -> None:
    folder = unified / "a"
    folder.mkdir()
    for name in ("memory.max", "memory.swap.max", "cpu.max", "cpu.weight", "pids.max"):
        (folder / name).write_text("")
    v2.UnifiedGroup(str(folder)).limit(
        {"memory_limit_bytes": 1 << 20, "memory_swap_bytes": 0, "cpus": 0.5, "cpu_weight": 50,
         "pids_limit": 9}
    )  # fmt: skip
    assert (folder / "memory.max").read_text() == "1048576"
    assert (folder / "memory.swap.max").read_text() == "0"
    assert (folder / "cpu.max").read_text() == "50000 100000"
    assert (folder / "cpu.weight").read_text() == "50"
    assert (folder / "pids.max").read_text() == "9"


def test_v2_missing_controller_says_what_to_do(unified: Path) -> None:
    with pytest.raises(files.CgroupOSError, match="Delegate=yes"):
        v2.UnifiedGroup(str(unified)).limit({"memory_limit_bytes": 1})


def test_v2_kill_writes_once(unified: Path) -> None:
    (unified / "cgroup.kill").write_text("")
    v2.UnifiedGroup(str(unified)).kill()
    assert (unified / "cgroup.kill").read_text() == "1"


def test_remove_takes_children_first_and_reports_absence(tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    assert files.remove(str(tmp_path / "a"))
    assert not (tmp_path / "a").exists()
    assert not files.remove(str(tmp_path / "a"))


def test_remove_never_deletes_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_RETRIES", 1)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_text("kept")
    with pytest.raises(files.CgroupOSError):
        files.remove(str(tmp_path / "a"))
    assert (tmp_path / "a/file").read_text() == "kept"


def pose_unified(folder: Path, available: str, handed_on: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup.controllers").write_text(available)
    (folder / "cgroup.subtree_control").write_text(handed_on)


def test_a_delegated_group_is_used_itself(tmp_path: Path) -> None:
    pose_unified(tmp_path / "top", "memory cpu pids", "memory cpu pids")
    pose_unified(tmp_path / "top" / "own", "memory cpu pids", "memory cpu pids")
    assert v2.place(str(tmp_path / "top" / "own")) == str(tmp_path / "top" / "own")


def test_a_busy_group_is_left_for_the_nearest_that_hands_controllers_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pose_unified(tmp_path / "top", "memory cpu pids", "memory cpu pids")
    pose_unified(tmp_path / "top" / "slice", "memory cpu pids", "memory pids")
    pose_unified(tmp_path / "top" / "slice" / "own", "memory pids", "")
    monkeypatch.setattr(v2, "enable", lambda _: None)  # EBUSY: the group holds processes
    before = (tmp_path / "top" / "cgroup.subtree_control").read_text()
    assert v2.place(str(tmp_path / "top" / "slice" / "own")) == str(tmp_path / "top")
    assert (tmp_path / "top" / "cgroup.subtree_control").read_text() == before


def test_without_any_such_group_the_own_one_remains(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pose_unified(tmp_path / "top" / "own", "", "")
    monkeypatch.setattr(v2, "enable", lambda _: None)
    assert v2.place(str(tmp_path / "top" / "own")) == str(tmp_path / "top" / "own")
