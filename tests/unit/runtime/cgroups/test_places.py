"""Groups at a place of the caller's, on temporary directories that pose as hierarchies."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import cgroups
from runtime.cgroups import files, home, places, v1, v2
from runtime.cgroups.layout import Layout
from tests.unit.runtime.cgroups.test_v2 import pose_unified


@pytest.fixture
def legacy(tmp_path: Path) -> Layout:
    own = {}
    for name in ("memory", "pids", "blkio"):
        (tmp_path / name / "own").mkdir(parents=True)
        own[name] = str(tmp_path / name / "own")
    return Layout(v1=own, v2="", roots={name: str(tmp_path / name) for name in own})


def test_v1_absolute_is_below_the_hierarchy_and_relative_below_our_own(
    legacy: Layout, tmp_path: Path
) -> None:
    assert cgroups.at("/a/b", where=legacy).paths == {
        "memory": f"{tmp_path}/memory/a/b",
        "pids": f"{tmp_path}/pids/a/b",
    }
    assert cgroups.at("a/./b//", where=legacy).paths["pids"] == f"{tmp_path}/pids/own/a/b"


def test_exactly_what_was_made_is_removed(legacy: Layout, tmp_path: Path) -> None:
    (tmp_path / "memory/kept").mkdir()
    group = cgroups.at("/kept/a/b", where=legacy)
    assert group.made == [
        f"{tmp_path}/memory/kept/a",
        f"{tmp_path}/memory/kept/a/b",
        f"{tmp_path}/pids/kept",
        f"{tmp_path}/pids/kept/a",
        f"{tmp_path}/pids/kept/a/b",
    ]
    group.remove()
    assert (tmp_path / "memory/kept").is_dir()
    assert not (tmp_path / "memory/kept/a").exists()
    assert not (tmp_path / "pids/kept").exists()


def test_a_parent_that_others_use_meanwhile_stays(legacy: Layout, tmp_path: Path) -> None:
    first, second = (cgroups.at(f"/pod/{name}", where=legacy) for name in "ab")
    first.remove()
    assert (tmp_path / "pids/pod/b").is_dir()
    second.remove()
    assert not (tmp_path / "pids/pod/b").exists()


def test_a_group_taken_up_again_is_removed_as_it_was_made(legacy: Layout, tmp_path: Path) -> None:
    made = cgroups.at("/a/b", ("io",), where=legacy)
    assert made.paths["blkio"] == f"{tmp_path}/blkio/a/b"
    again = cgroups.open_at(made.paths, made=made.made, spare=made.spare)
    assert isinstance(again, v1.LegacyGroup)
    assert again.paths == made.paths
    again.remove()
    assert {path.name for path in tmp_path.glob("*/*")} == {"own"}


def test_a_stored_group_can_still_get_a_controller(legacy: Layout, tmp_path: Path) -> None:
    made = cgroups.at("/a/b", where=legacy)
    assert made.spare == {"blkio": f"{tmp_path}/blkio/a/b"}
    again = cgroups.open_at(made.paths, made=made.made, spare=made.spare)
    assert isinstance(again, v1.LegacyGroup)
    for folder in again.paths.values():
        Path(folder, "cgroup.procs").write_text("")
    assert again.folder("blkio") == f"{tmp_path}/blkio/a/b"
    assert again.made[-2:] == [f"{tmp_path}/blkio/a", f"{tmp_path}/blkio/a/b"]


def test_controllers_that_this_host_lacks_are_refused(legacy: Layout, tmp_path: Path) -> None:
    with pytest.raises(files.CgroupOSError, match="'cpuset'") as caught:
        cgroups.at("/a", ("cpuset",), where=legacy)
    assert caught.value.errno == errno.ENODEV
    assert not (tmp_path / "pids/a").exists()
    with pytest.raises(files.CgroupOSError, match="no cgroup controller"):
        cgroups.at("/a", where=Layout(v1={}, v2=""))


@pytest.mark.parametrize(
    "path", ["", "/", ".", "//", "..", "../a", "a/../b", "/a/..", "a\0b", "a\nb"]
)
def test_paths_that_lead_elsewhere_are_refused(legacy: Layout, path: str) -> None:
    with pytest.raises(files.CgroupOSError, match="leave out") as caught:
        cgroups.at(path, where=legacy)
    assert caught.value.errno == errno.EINVAL


@given(st.text("ab./\0\n", max_size=12))
def test_accepted_paths_never_climb(path: str) -> None:
    try:
        parts = places._parts(path)
    except files.CgroupOSError:
        return
    assert parts
    assert all(part and part not in (".", "..") and "/" not in part for part in parts)


def test_a_group_with_processes_is_not_taken(legacy: Layout, tmp_path: Path) -> None:
    (tmp_path / "pids/a").mkdir()
    (tmp_path / "pids/a/cgroup.procs").write_text("12\n")
    with pytest.raises(files.CgroupOSError, match="holds processes") as caught:
        cgroups.at("/a", where=legacy)
    assert caught.value.errno == errno.EBUSY
    assert not (tmp_path / "memory/a").exists()
    assert (tmp_path / "pids/a/cgroup.procs").read_text() == "12\n"


def test_an_empty_group_that_is_there_is_used_and_stays(legacy: Layout, tmp_path: Path) -> None:
    (tmp_path / "pids/a").mkdir()
    (tmp_path / "pids/a/cgroup.procs").write_text("")
    group = cgroups.at("/a", where=legacy)
    group.remove()
    assert (tmp_path / "pids/a").is_dir()
    assert not (tmp_path / "memory/a").exists()


@pytest.mark.parametrize("climbs", [True, False])
def test_v2_hands_controllers_on_in_what_it_made_and_below_its_own_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, climbs: bool
) -> None:
    monkeypatch.setattr(home, "_may_climb", lambda: climbs)
    pose_unified(tmp_path, "memory cpu pids io", "memory cpu pids io")
    pose_unified(tmp_path / "other", "memory cpu pids io", "", procs="")
    pose_unified(tmp_path / "own", "memory cpu pids io", "", procs="7\n")
    where = Layout(v1={}, v2=str(tmp_path / "own"), roots={"unified": str(tmp_path)})
    told = []
    monkeypatch.setattr(v2, "enable", lambda folder, _: told.append(folder))
    group = cgroups.at("/other/a/b", where=where)
    assert told == [f"{tmp_path}/other/a"]
    assert group.made == [f"{tmp_path}/other/a", f"{tmp_path}/other/a/b"]
    told.clear()
    # the own group holds this process, so the next above that hands controllers on is meant, but
    # not in a pid namespace of its own in the host's groups: those above may be anybody's
    found = cgroups.at("c", where=where).paths
    assert found == {"unified": f"{tmp_path}/c" if climbs else f"{tmp_path}/own/c"}
    assert told == ([] if climbs else [f"{tmp_path}/own"])
    told.clear()
    cgroups.at("/own/d/e", where=where)
    assert told == [f"{tmp_path}/own", f"{tmp_path}/own/d"]
