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
    assert found.v2 == f"{hybrid}/unified"
    assert found.v1 == {}
    assert found.roots == {"unified": f"{hybrid}/unified"}


def test_controllers_mounted_together_share_a_directory(tmp_path: Path) -> None:
    (tmp_path / "cpu,cpuacct").mkdir()
    mounts = f"33 31 0:30 / {tmp_path}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    found = layout.discover(mounts, "2:cpu,cpuacct:/\n")
    assert found.v1 == dict.fromkeys(("cpu", "cpuacct"), f"{tmp_path}/cpu,cpuacct")
    manager = v1.LegacyManager("tare-0", found.v1)
    group = manager.create("a")
    assert group.made == [f"{tmp_path}/cpu,cpuacct/tare-0/a"]
    assert set(group.paths) == {"cpu", "cpuacct"}
    group.remove()
    manager.close()
    assert list((tmp_path / "cpu,cpuacct").iterdir()) == []


def test_hierarchies_without_controllers_of_ours_are_let_be(hybrid: Path) -> None:
    found = layout.discover(HYBRID_MOUNTS.format(root=hybrid), HYBRID_OWN)
    assert not any("systemd" in path for path in (*found.v1.values(), *found.roots.values()))


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


def own_groups(root: Path, *names: str) -> dict[str, str]:
    for name in names:
        (root / name).mkdir()
    return {name: str(root / name) for name in names}


def test_v1_group_is_made_only_in_what_limits_need(tmp_path: Path) -> None:
    manager = v1.LegacyManager("tare-0", own_groups(tmp_path, "memory", "pids", "blkio", "devices"))
    group = manager.create("a")
    assert set(group.paths) == {"memory", "pids"}
    assert (tmp_path / "devices/tare-0").is_dir()  # the engine's is found after a crash
    assert not (tmp_path / "devices/tare-0/a").exists()
    with pytest.raises(files.CgroupOSError):  # a plain directory has no file for it
        group.limit({"io_weight": 100})
    assert group.paths["blkio"] == f"{tmp_path}/blkio/tare-0/a"
    group.remove()
    manager.close()
    assert list(tmp_path.rglob("tare-0")) == []


def test_v1_live_processes_follow_into_a_group_made_on_demand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = v1.LegacyManager("tare-0", own_groups(tmp_path, "pids", "blkio")).create("a")
    procs = tmp_path / "pids/tare-0/a/cgroup.procs"
    procs.write_text("11\n12\n")
    joined = []

    def attach(path: str, pid: int) -> None:
        assert path == f"{tmp_path}/blkio/tare-0/a"
        joined.append(pid)
        # 12 forks before it is moved: its child has to follow as well
        born = "13\n" if pid == 11 else ""
        procs.write_text(procs.read_text() + born)
        (tmp_path / "blkio/tare-0/a/cgroup.procs").write_text("\n".join(map(str, joined)))

    monkeypatch.setattr(files, "attach", attach)
    group.fresh = False
    assert group.folder("blkio") == f"{tmp_path}/blkio/tare-0/a"
    assert sorted(joined) == [11, 12, 13]


def test_v1_controller_that_is_not_ours_to_use_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = files.make

    def make(path: str) -> None:
        if "devices" in path:
            raise files.refusal("make: Permission denied", errno.EACCES)
        made(path)

    monkeypatch.setattr(files, "make", make)
    manager = v1.LegacyManager("tare-0", own_groups(tmp_path, "pids", "devices"))
    with pytest.raises(files.CgroupOSError, match="no cgroup controller 'devices'"):
        manager.create("a").limit({"devices": ({"allow": False, "type": "a", "access": "rwm"},)})


def test_half_made_engine_groups_are_unwound(tmp_path: Path) -> None:
    own = own_groups(tmp_path, "memory", "pids")
    (tmp_path / "pids/tare-0").write_text("")
    with pytest.raises(files.CgroupOSError):
        v1.LegacyManager("tare-0", own)
    assert not (tmp_path / "memory/tare-0").exists()


def test_v1_process_that_has_ended_is_let_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = errno.ESRCH

    def write(path: str, text: str) -> None:
        raise files.refusal(f"write {text!r} to {path}", number)

    monkeypatch.setattr(files, "write", write)
    v1.LegacyGroup({"pids": str(tmp_path)}).attach(1)
    number = errno.ENOSPC
    with pytest.raises(files.CgroupOSError, match=r"cgroup\.procs"):
        v1.LegacyGroup({"pids": str(tmp_path)}).attach(1)


def test_v1_group_that_does_not_freeze_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(v1, "_KILL_S", 0)
    monkeypatch.setattr(v1, "_FREEZE_S", 0)
    log = []
    monkeypatch.setattr(files, "write", lambda _, text: log.append(text))
    monkeypatch.setattr(files, "read", lambda _: "FREEZING")
    with pytest.raises(files.CgroupOSError, match="does not stop") as caught:
        v1.LegacyGroup({"freezer": str(tmp_path)}).freeze()
    assert caught.value.errno == errno.ETIMEDOUT
    assert log[-1] == "THAWED"


def test_v1_without_a_freezer_freezing_is_refused(tmp_path: Path) -> None:
    group = v1.LegacyGroup({"pids": str(tmp_path)})
    assert not group.frozen()
    with pytest.raises(files.CgroupOSError, match="'freezer'"):
        group.freeze()


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
    pose_unified(tmp_path, "cpu memory pids hugetlb\n", "")
    return tmp_path


def test_v2_limits_use_v2_words(unified: Path) -> None:
    folder = unified / "a"
    pose_unified(folder, "cpu memory pids", "")
    for name in ("memory.max", "memory.swap.max", "cpu.max", "cpu.weight", "pids.max"):
        (folder / name).write_text("")
    v2.UnifiedGroup(str(folder), fresh=True).limit(
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
        v2.UnifiedGroup(str(unified)).limit({"io_weight": 1})


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


def pose_unified(folder: Path, available: str, handed_on: str, procs: str | None = None) -> None:
    """A group; with `procs` it is not the root."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup.controllers").write_text(available)
    (folder / "cgroup.subtree_control").write_text(handed_on)
    if procs is not None:
        (folder / "cgroup.type").write_text("domain")
        (folder / "cgroup.procs").write_text(procs)


def handed_on(root: Path) -> dict[str, str]:
    return {str(file): file.read_text() for file in root.rglob("cgroup.subtree_control")}


def test_an_empty_group_is_used_itself(tmp_path: Path) -> None:
    pose_unified(tmp_path / "top", "memory cpu pids", "memory cpu pids")
    pose_unified(tmp_path / "top" / "own", "memory cpu pids", "", procs="")
    before = handed_on(tmp_path)
    assert v2.place(str(tmp_path / "top" / "own")) == str(tmp_path / "top" / "own")
    assert handed_on(tmp_path) == before


def test_a_busy_group_is_left_for_the_nearest_that_hands_controllers_on(tmp_path: Path) -> None:
    pose_unified(tmp_path / "top", "memory cpu pids", "memory cpu pids")
    pose_unified(tmp_path / "top" / "slice", "memory cpu pids", "memory pids", procs="")
    pose_unified(tmp_path / "top" / "slice" / "own", "memory pids", "", procs="7\n")
    before = handed_on(tmp_path)
    manager = v2.UnifiedManager("tare-0", str(tmp_path / "top" / "slice" / "own"))
    assert manager.paths == {"unified": f"{tmp_path}/top/tare-0"}
    # a busy group would become the root of a threaded subtree, and those above are not ours
    assert handed_on(tmp_path) == before


def test_without_any_such_group_the_own_one_remains(tmp_path: Path) -> None:
    pose_unified(tmp_path / "top" / "own", "", "", procs="7\n")
    assert v2.place(str(tmp_path / "top" / "own")) == str(tmp_path / "top" / "own")


def test_controllers_are_handed_on_all_at_once(tmp_path: Path) -> None:
    pose_unified(tmp_path, "memory cpu pids io", "")
    v2.enable(str(tmp_path))
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_a_controller_that_cannot_be_does_not_spoil_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pose_unified(tmp_path, "memory cpu pids", "")
    log = []

    def write(_: str, text: str) -> None:
        if "cpu" in text:  # as where real-time processes stand in the way
            raise files.refusal("Invalid argument", errno.EINVAL)
        log.append(text)

    monkeypatch.setattr(files, "write", write)
    v2.enable(str(tmp_path))
    assert log == ["+memory", "+pids"]


def test_v2_controller_is_handed_on_when_a_limit_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pose_unified(tmp_path, "memory cpu pids io", "memory cpu pids")
    manager = v2.UnifiedManager("tare-0", str(tmp_path))
    pose_unified(tmp_path / "tare-0", "memory cpu pids io", "")
    group = manager.create("a")
    log = []

    def write(path: str, text: str) -> None:
        log.append((path.removeprefix(f"{tmp_path}/"), text))
        if path.endswith("tare-0/cgroup.subtree_control"):
            (tmp_path / "tare-0/a/cgroup.controllers").write_text("memory cpu pids io")

    monkeypatch.setattr(files, "write", write)
    (tmp_path / "tare-0/a/io.weight").write_text("")
    group.limit({"io_weight": 50})
    assert log == [
        ("cgroup.subtree_control", "+io"),
        ("tare-0/cgroup.subtree_control", "+io"),
        ("tare-0/a/io.weight", "default 50"),
    ]


def test_v2_freeze_gives_up_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v2, "_FREEZE_S", 0)
    (tmp_path / "cgroup.freeze").write_text("")
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    with pytest.raises(files.CgroupOSError, match="does not stop"):
        v2.UnifiedGroup(str(tmp_path)).freeze()
    assert (tmp_path / "cgroup.freeze").read_text() == "0"


def test_thaw_reaches_every_group_below(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    for folder in (tmp_path / "a", tmp_path / "a/b"):
        (folder / "freezer.state").write_text("FROZEN")
    files.thaw(str(tmp_path / "a"))
    assert (tmp_path / "a/b/freezer.state").read_text() == "THAWED"
