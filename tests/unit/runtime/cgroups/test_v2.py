"""Groups of v2 on a temporary directory that poses as its hierarchy."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from runtime.cgroups import files, v2
from runtime.cgroups.home import Home

if TYPE_CHECKING:
    from pathlib import Path


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
    with pytest.raises(files.CgroupOSError, match="is not delegated to"):
        v2.UnifiedGroup(str(unified)).limit({"io_weight": 1})


def test_v2_kill_writes_once(unified: Path) -> None:
    (unified / "cgroup.kill").write_text("")
    v2.UnifiedGroup(str(unified)).kill()
    assert (unified / "cgroup.kill").read_text() == "1"


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
    manager = v2.UnifiedManager("tare-0", Home(str(tmp_path), hands_on=True))
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
