"""Where an engine's groups may stand, on directories that pose as a hierarchy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from runtime.cgroups import files, home, systemd, v2
from tests.unit.runtime.cgroups.test_v2 import handed_on, pose_unified

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ALL = "memory cpu pids"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path / "fs", monkeypatch)


class Host:
    """A hierarchy, and what the rest of the host says of it; without systemd and no container."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self._patch = monkeypatch
        self._delegated: set[str] = set()
        pose_unified(root, ALL, ALL)
        monkeypatch.setattr(systemd, "is_delegated", lambda folder: folder in self._delegated)
        monkeypatch.setattr(systemd, "manages", lambda: False)
        self.namespaces(pid=home._FIRST_PIDS, cgroup=home._FIRST_CGROUPS)

    def systemd(self) -> None:
        self._patch.setattr(systemd, "manages", lambda: True)

    def group(self, path: str, procs: str = "7\n", *, gets: str = ALL, gives: str = "") -> Path:
        pose_unified(self.root / path, gets, gives, procs=procs)
        return self.root / path

    def delegate(self, path: str) -> None:
        self._delegated.add(str(self.root / path))

    def namespaces(self, *, pid: str = "pid:[1]", cgroup: str = "cgroup:[1]") -> None:
        links = {"/proc/self/ns/pid": pid, "/proc/self/ns/cgroup": cgroup}
        self._patch.setattr(os, "readlink", links.__getitem__)

    def first_process(self, path: str) -> None:
        read: Callable[[str], str] = files.read
        self._patch.setattr(
            files, "read", lambda file: f"0::{path}" if file == "/proc/1/cgroup" else read(file)
        )

    def find(self, path: str) -> tuple[str, bool]:
        before = handed_on(self.root)
        found = home.find(str(self.root / path), str(self.root))
        assert handed_on(self.root) == before
        return found.path.replace(str(self.root), "ROOT"), found.moves


def test_a_group_without_processes_is_used_itself(host: Host) -> None:
    host.group("own", procs="")
    assert host.find("own") == ("ROOT/own", False)


def test_the_root_of_the_hierarchy_is_used_itself_where_nobody_manages_it(host: Host) -> None:
    assert host.find("") == ("ROOT", False)


def test_a_busy_group_is_left_for_the_nearest_that_hands_controllers_on(host: Host) -> None:
    host.group("top", procs="", gives=ALL)
    host.group("top/slice", procs="", gives="memory pids")
    own = host.group("top/slice/own", gets="memory pids")
    assert host.find("top/slice/own") == ("ROOT/top", False)
    before = handed_on(host.root)
    manager = v2.UnifiedManager("tare-0", home.claim("tare-0", str(own), str(host.root)))
    assert manager.paths == {"unified": f"{host.root}/top/tare-0"}
    # a busy group would become the root of a threaded subtree, and those above are not ours
    assert handed_on(host.root) == before


def test_without_any_such_group_the_own_one_remains(host: Host) -> None:
    pose_unified(host.root, "", "")
    host.group("own", gets="")
    assert host.find("own") == ("ROOT/own", False)


@pytest.mark.parametrize(
    "path",
    ["user.slice/user-0.slice/session-3.scope", "system.slice/runner.service", "init.scope",
     "user.slice/user-1000.slice/user@1000.service/app.slice/term.scope", ""],
)  # fmt: skip
def test_systemd_is_asked_wherever_it_manages_and_has_delegated_nothing(
    host: Host, path: str
) -> None:
    host.systemd()
    host.delegate("user.slice/user-1000.slice/user@1000.service")
    parts = path.split("/") if path else []
    for count in range(1, len(parts) + 1):
        host.group("/".join(parts[:count]), gives=ALL)
    assert host.find(path) == ("", False)


@pytest.mark.parametrize("managed", [True, False])
def test_a_delegated_unit_is_used_as_it_is(host: Host, managed: bool) -> None:  # noqa: FBT001
    if managed:
        host.systemd()
    host.group("system.slice/run-1.scope")
    host.delegate("system.slice/run-1.scope")
    assert host.find("system.slice/run-1.scope") == ("ROOT/system.slice/run-1.scope", True)
    host.group("system.slice/run-1.scope/inner")
    assert host.find("system.slice/run-1.scope/inner") == ("ROOT/system.slice/run-1.scope", True)


def test_what_is_delegated_above_a_unit_of_its_own_is_somebody_else_s(host: Host) -> None:
    host.systemd()
    host.group("a.slice/b.scope")
    host.delegate("a.slice")
    assert host.find("a.slice/b.scope") == ("", False)


def test_a_container_s_own_group_is_used(host: Host) -> None:
    host.namespaces()
    host.group("", procs="1\n9\n")
    host.first_process("/")
    assert host.find("") == ("ROOT", True)
    # as an engine before has left it
    host.group("", procs="")
    host.group(home.SUPERVISOR, procs="1\n9\n")
    host.first_process(f"/{home.SUPERVISOR}")
    assert host.find(home.SUPERVISOR) == ("ROOT", True)


def test_a_group_that_others_are_in_is_no_container_s(host: Host) -> None:
    host.namespaces()
    host.group("own", procs="1\n0\n")
    host.first_process("/own")
    assert host.find("own") == ("ROOT", False)


@pytest.mark.parametrize("first", ["/..", "/../../init.scope"])
def test_a_first_process_elsewhere_makes_no_container(host: Host, first: str) -> None:
    host.namespaces()
    host.group("own")
    host.first_process(first)
    assert host.find("own") == ("ROOT", False)


def test_from_inside_a_container_the_host_s_groups_are_never_chosen(host: Host) -> None:
    host.namespaces(cgroup=home._FIRST_CGROUPS)
    host.group("docker", procs="", gives=ALL)
    host.group("docker/own", procs="1\n0\n")
    host.first_process("/docker/own")
    assert host.find("docker/own") == ("ROOT/docker/own", False)


def test_its_processes_make_room(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    own = host.group("run.scope", procs="7\n8\n")
    host.delegate("run.scope")
    moved = []

    def attach(folder: str, pid: int) -> None:
        moved.append((folder, pid))
        (own / "cgroup.procs").write_text("8\n" if pid == 7 else "")

    monkeypatch.setattr(files, "attach", attach)
    taken = home.claim("tare-0", str(own), str(host.root))
    assert (taken.path, taken.hands_on, taken.scope) == (str(own), True, "")
    assert moved == [(f"{own}/supervisor", 7), (f"{own}/supervisor", 8)]


def test_processes_of_others_are_not_moved(host: Host) -> None:
    own = host.group("run.scope", procs="7\n0\n")
    host.delegate("run.scope")
    with pytest.raises(files.CgroupOSError, match="another pid namespace"):
        home.claim("tare-0", str(own), str(host.root))


def test_a_scope_is_asked_for_and_held_by_the_process_named(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.systemd()
    asked = []

    def start_scope(unit: str, pid: int, *_: str, **__: object) -> str:
        asked.append((unit, pid))
        host.group(f"system.slice/{unit}", procs="")
        return f"/system.slice/{unit}"

    monkeypatch.setattr(systemd, "start_scope", start_scope)
    taken = home.claim("tare-0", str(host.root), str(host.root), 42)
    assert asked == [("tare-0.scope", 42)]
    assert taken.path == taken.scope == f"{host.root}/system.slice/tare-0.scope"
    assert taken.hands_on
