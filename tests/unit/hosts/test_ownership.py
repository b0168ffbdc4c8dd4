"""Nothing of a host's boot outlives the tests, whatever ends them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.hosts.framework import disk

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
PROGRAM = """
import subprocess, time
from tests.hosts.framework.owned import owned, work_folder
with work_folder() as folder:
    shell = owned("sh", "-c", "echo; exec sleep 1000")
    child = subprocess.Popen(shell, stdout=subprocess.PIPE)
    child.stdout.readline()
    (folder / "console").write_text("something")
    print(folder, child.pid, flush=True)
    time.sleep(1000)
"""


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def ended(pid: int) -> bool:
    """Whether it runs no more; a process 1 that reaps nothing may leave its name."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_program_and_folder_go_with_a_killed_process() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as holder:
        assert holder.stdout is not None
        folder, child = holder.stdout.readline().split()
        assert Path(folder).is_dir()
        holder.kill()
    assert within(60, lambda: ended(int(child)))
    assert within(60, lambda: not Path(folder).exists())


def test_the_disks_used_longest_ago_are_deleted(tmp_path: Path) -> None:
    made = [tmp_path / f"trixie-{n}" for n in range(disk.KEPT + 2)]
    for age, folder in enumerate(made):
        folder.mkdir()
        os.utime(folder, (1000 - age, 1000 - age))
    disk.prune(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in made[: disk.KEPT]}


def test_a_disk_in_use_is_kept_however_old(tmp_path: Path) -> None:
    made = [tmp_path / f"trixie-{n}" for n in range(disk.KEPT + 2)]
    for age, folder in enumerate(made):
        folder.mkdir()
        os.utime(folder, (1000 - age, 1000 - age))
    with disk.held(made[-1]):
        disk.prune(tmp_path)
        assert made[-1].is_dir()
        assert not made[-2].exists()
