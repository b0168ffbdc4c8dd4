"""Whose record it is, and whether its engine runs."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from runtime import clean, leftovers
from runtime.recovery import record

if TYPE_CHECKING:
    from pathlib import Path

NAME = "tare-0123456789ab"


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
