"""Whose record it is, and whether its engine runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime import clean, left_alone, leftovers
from runtime.cgroups import files
from runtime.recovery import processes, record

NAME = "tare-0123456789ab"
ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / NAME
    made.mkdir()
    return made


def test_a_running_process_of_this_boot_is_left_alone(folder: Path) -> None:
    record.write(folder, os.getpid(), {})
    assert leftovers(folder.parent) == []


def test_the_same_pid_of_another_boot_is_not_it(folder: Path) -> None:
    record.write(folder, os.getpid(), {})
    text = (folder / "engine.json").read_text().replace(record.boot_id(), "another")
    (folder / "engine.json").write_text(text)
    assert leftovers(folder.parent) == [f"state directory {folder}"]
    assert clean(folder.parent) == [f"state directory {folder}"]
    assert not folder.exists()


def test_a_record_with_a_pid_alone_is_a_wreck(folder: Path) -> None:
    (folder / "engine.json").write_text(json.dumps({"pid": os.getpid()}))
    assert clean(folder.parent) == [f"state directory {folder}"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": "x"}', "{"])
def test_an_unreadable_record_is_a_wreck_once_it_is_old(folder: Path, text: str) -> None:
    (folder / "engine.json").write_text(text)
    assert leftovers(folder.parent) == []
    old = time.time() - 60
    os.utime(folder, (old, old))
    assert clean(folder.parent) == [f"state directory {folder}"]


def test_a_group_of_another_name_is_not_touched(folder: Path, tmp_path: Path) -> None:
    """Whoever may write a record must not have others' groups emptied by it."""
    others = tmp_path / "system.slice"
    others.mkdir()
    (others / "cgroup.procs").write_text(f"{os.getpid()}\n")
    named = {"memory": str(others), "cpu": ["no text"], "pids": str(tmp_path / "absent" / NAME)}
    (folder / "engine.json").write_text(json.dumps({"pid": 0, "cgroups": named}))
    assert clean(folder.parent) == [f"state directory {folder}"]
    assert others.is_dir()


@pytest.mark.parametrize("which", ["pid_namespace", "mount_namespace"])
def test_what_another_namespace_s_process_owns_is_named_and_kept(folder: Path, which: str) -> None:
    """Its pid means nothing here: a living owner looked dead, and lost what it had."""
    record.write(folder, os.getpid(), {})
    said = json.loads((folder / "engine.json").read_text())
    kind = which.partition("_")[0].replace("mount", "mnt")
    (folder / "engine.json").write_text(json.dumps(said | {which: f"{kind}:[1]"}))
    assert leftovers(folder.parent) == []
    assert clean(folder.parent) == []
    assert left_alone(folder.parent) == [
        f"{folder}: its owner, process {os.getpid()} of another namespace, may be running"
    ]
    assert folder.is_dir()


def test_a_process_outside_our_pid_namespace_is_no_target(folder: Path, tmp_path: Path) -> None:
    """The kernel lists such as 0, and signal 9 to 0 is one to ourselves."""
    group = tmp_path / "memory" / NAME
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text("0\n")
    (folder / "engine.json").write_text(json.dumps({"pid": 0, "cgroups": {"memory": str(group)}}))
    shell = f"""
import signal, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from runtime.recovery import cleanup
from runtime.cgroups import files
files.remove = lambda path: False
print(cleanup.clean(Path({str(folder.parent)!r})))
"""
    done = subprocess.run(
        [sys.executable, "-c", shell],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        start_new_session=True,
    )
    assert done.stdout == f"{[f'state directory {folder}']}\n", done


def test_a_process_is_killed_by_what_it_is_and_not_by_its_number() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        assert not processes.kill(process.pid, lambda _: False)
        assert process.poll() is None
        assert processes.kill(process.pid, lambda pid: processes.start_time(pid) is not None)
        assert process.wait(5) == -signal.SIGKILL
    assert not processes.kill(process.pid, lambda _: True)
    assert not processes.kill(0, lambda _: True)


def test_a_record_that_others_could_write_is_left_alone(folder: Path) -> None:
    (folder / "engine.json").write_text(json.dumps({"pid": 0}))
    folder.chmod(0o777)
    assert leftovers(folder.parent) == []
    assert clean(folder.parent) == []
    (words,) = left_alone(folder.parent)
    assert "others may write to it" in words
    folder.chmod(0o755)
    assert clean(folder.parent) == [f"state directory {folder}"]


def test_a_recorded_group_that_is_none_is_not_written_to(folder: Path, tmp_path: Path) -> None:
    """What the record named was thawed, by a link if need be, whatever it was."""
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    group = tmp_path / "group" / NAME
    group.mkdir(parents=True)
    (group / "freezer.state").symlink_to(victim)
    (folder / "engine.json").write_text(json.dumps({"pid": 0, "cgroups": {"freezer": str(group)}}))
    assert clean(folder.parent) == [f"state directory {folder}"]
    assert victim.read_text() == "as it was"
    assert group.is_dir()


def test_a_group_s_file_that_is_a_link_is_not_written_to(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    (tmp_path / "freezer.state").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        files.write(str(tmp_path / "freezer.state"), "THAWED")
    assert victim.read_text() == "as it was"
