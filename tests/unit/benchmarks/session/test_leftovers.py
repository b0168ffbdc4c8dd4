"""What a killed tare left is removed by the next one's start; `tare clean` says what is true."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from benchmarks.session.measure import alone
from runtime.recovery import processes
from tare.commands import clean
from vmdriver.state import Layout

if TYPE_CHECKING:
    from pathlib import Path

NAME = "tare-0123456789ab"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder with what a killed VM campaign leaves."""
    made = tmp_path / "state"
    for folder in (f"vm/{NAME}", "vm/console", "container"):
        (made / folder).mkdir(parents=True)
    owner = {"pid": os.getpid(), "started": 1, "boot_id": processes.boot_id(), "cgroups": {}}
    (made / "vm" / NAME / "engine.json").write_text(json.dumps(owner))
    (made / "vm/console/one.log").touch()
    logs = Layout.of(made / "vm").logs
    logs.mkdir(parents=True)
    (logs / "one.log").touch()
    monkeypatch.setattr(clean, "state_folder", lambda: made)
    monkeypatch.setattr(clean, "_of_images", lambda **_: [])
    return made


def named(state: Path) -> list[str]:
    return [
        f"state directory {state}/vm/{NAME}",
        f"console {state}/vm/console/one.log",
        f"log {Layout.of(state / 'vm').logs}/one.log",
    ]


def left(state: Path) -> list[Path]:
    files = [path for path in state.rglob("*") if path.is_file() and path.name != "lock"]
    return [*files, *state.rglob("tare-*")]


def test_every_start_removes_what_a_dead_one_owned(state: Path) -> None:
    notes: list[str] = []
    with alone(state, "a campaign", notes.append):
        assert left(state) == [state / "campaign.lock"]
    assert notes == [f"removed what a killed tare had left: {named(state)[0]} and 2 more"]
    with alone(state, "the next", notes.append):
        assert len(notes) == 1


def test_clean_says_what_it_removed_and_then_nothing(state: Path) -> None:
    simulated = CliRunner().invoke(clean.command, ["--dry-run"])
    assert simulated.stdout.splitlines() == named(state)
    assert CliRunner().invoke(clean.command).stdout == simulated.stdout
    assert left(state) == [state / "campaign.lock"]
    again = CliRunner().invoke(clean.command)
    assert (again.stdout, again.stderr) == ("", "nothing was left behind\n")
    assert not (state / "container/lock").exists()


def test_clean_names_what_may_be_another_s(state: Path) -> None:
    record = state / "vm" / NAME / "engine.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"pid_namespace": "pid:[1]"}))
    done = CliRunner().invoke(clean.command)
    assert done.stdout.splitlines() == named(state)[1:]
    assert done.stderr.startswith(f"left alone: {state}/vm/{NAME}: its owner, process")
    assert record.exists()
