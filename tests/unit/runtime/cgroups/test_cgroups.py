"""Control groups on a temporary directory that poses as a cgroup file system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime import cgroups
from runtime.cgroups import files, layout, v1

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


def test_missing_controllers_are_said() -> None:
    assert cgroups.losses({"unified"}) == []
    assert len(cgroups.losses({"freezer", "memory", "cpu", "pids"})) == 1
    assert "'cpuacct'" in cgroups.losses({"freezer", "memory", "cpu", "pids"})[0]


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


def test_thaw_reaches_every_group_below(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    for folder in (tmp_path / "a", tmp_path / "a/b"):
        (folder / "freezer.state").write_text("FROZEN")
    files.thaw(str(tmp_path / "a"))
    assert (tmp_path / "a/b/freezer.state").read_text() == "THAWED"
