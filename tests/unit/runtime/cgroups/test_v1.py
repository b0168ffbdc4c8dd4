"""Groups of v1 on temporary directories that pose as its hierarchies."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from runtime.cgroups import files, v1

if TYPE_CHECKING:
    from pathlib import Path


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

    def kill(self, path: str, _: int) -> None:
        self.log += [f"kill {pid}" for pid in files.pids(path)]
        left = "" if self.looks >= 3 else "2222\n"
        (self.folder / "cgroup.procs").write_text(left)


def test_v1_kill_waits_until_the_group_is_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posed = Freezer(tmp_path)
    monkeypatch.setattr(files, "read", posed.read)
    monkeypatch.setattr(files, "write", posed.write)
    monkeypatch.setattr(files, "signal_each", posed.kill)
    v1.LegacyGroup({"freezer": str(tmp_path)}).kill()
    assert posed.log == ["FROZEN", "kill 1111", "THAWED"]


def test_v1_kill_repeats_until_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posed = Freezer(tmp_path)
    monkeypatch.setattr(v1, "_FREEZE_S", 0)  # never gets it frozen at once
    monkeypatch.setattr(files, "read", posed.read)
    monkeypatch.setattr(files, "write", posed.write)
    monkeypatch.setattr(files, "signal_each", posed.kill)
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
