"""Control groups of VMs: limited as a container's, and found after their owner was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import runtime
from benchmarks.sandboxes.vm import groups as vm_groups
from benchmarks.sandboxes.vm.groups import VmGroups
from runtime.cgroups import Group

OWNER = """
import sys
from pathlib import Path
from benchmarks.sandboxes.vm.groups import VmGroups
groups = VmGroups(Path(sys.argv[1]), 1)
groups.__enter__()
print(*groups.create("vm-0").paths.values(), flush=True)
sys.stdin.read()
"""


def text(group: Group, v1: tuple[str, str], v2: str) -> str:
    if "unified" in group.paths:
        return (Path(group.paths["unified"]) / v2).read_text().strip()
    return (Path(group.paths[v1[0]]) / v1[1]).read_text().strip()


def test_a_vm_gets_the_limits_of_a_container(tmp_path: Path) -> None:
    with VmGroups(tmp_path, 2) as groups:
        assert groups.unavailable is None
        group = groups.create("vm-0")
        assert group is not None
        assert text(group, ("cpu", "cpu.cfs_quota_us"), "cpu.max").split()[0] == "200000"
        assert text(group, ("pids", "pids.max"), "pids.max") == "512"
        with subprocess.Popen(["sleep", "60"]) as process:
            group.attach(process.pid)
            charged = vm_groups.charged(group)
            process.kill()
        assert charged is not None
        vm_groups.remove(group)
        assert not any(Path(path).exists() for path in group.paths.values())
        assert runtime.leftovers(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_groups_of_a_killed_owner_are_found_by_name(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        assert owner.stdout is not None
        paths = [Path(path) for path in owner.stdout.readline().split()]
        assert paths
        assert all(path.is_dir() for path in paths)
        assert runtime.clean(tmp_path) == []
        os.kill(owner.pid, signal.SIGKILL)
    assert any(str(path.parent) in words for path in paths for words in runtime.leftovers(tmp_path))
    assert runtime.clean(tmp_path)
    assert not any(path.parent.exists() for path in paths)
    assert list(tmp_path.iterdir()) == []


def test_a_host_without_control_groups_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.cgroups.manager", lambda *_: None)
    with VmGroups(tmp_path, 1) as groups:
        assert groups.create("vm-0") is None
        assert groups.unavailable == "this host gives no cgroup controller"
        assert vm_groups.charged(None) is None
