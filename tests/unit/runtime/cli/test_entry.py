"""What is kept on disk of a container."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cli import lifecycle
from runtime.cli.entry import Entry, HalfMadeError, check_id
from runtime.cli.record import Record
from runtime.errors import StateError
from runtime.recovery import processes


def made(root: Path, name: str = "c1", **fields: Any) -> Entry:
    return Entry.make(str(root), Record(id=name, bundle="/b", **fields))


def living(root: Path) -> Entry:
    own = os.getpid()
    return made(
        root, pid=own, start_time=processes.start_time(own), boot_id=processes.boot_id()
    )  # fmt: skip


@pytest.mark.parametrize("name", ["a", "A_b+c-d.e", "0" * 255, "+", "a..b"])
def test_names_that_can_be(name: str) -> None:
    check_id(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".foo", "-f", "a b", "a/b", "../x", "a\n", "\u00e9", "a" * 256, "a\0"]
)
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(StateError, match="invalid"):
        check_id(name)


@given(st.text(max_size=20))
def test_a_name_is_one_name_of_a_directory(name: str) -> None:
    try:
        check_id(name)
    except StateError:
        return
    assert Path("/r", name).resolve() == Path("/r") / name
    assert name.isascii()


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    made(tmp_path)
    with pytest.raises(StateError, match="already exists"):
        made(tmp_path)
    with pytest.raises(StateError, match="'c2' does not exist"):
        Entry.open(str(tmp_path), "c2")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    entry = made(
        tmp_path, annotations={"a": "b"}, cgroups={"memory": "/m/c1"}, made=["/m/c1"],
        descriptors=["/dev/null"], hooks=["poststop"], cgroup_path="/c1", pid=5,
    )  # fmt: skip
    again = Entry.open(str(tmp_path), "c1")
    assert again.record.fields() == entry.record.fields()
    shown = json.loads((tmp_path / "c1/status").read_text())
    assert shown["cgroup-path"] == "/c1"
    assert json.loads(shown["external_descriptors"]) == ["/dev/null"]
    assert stat.S_IMODE((tmp_path / "c1").stat().st_mode) & 0o022 == 0


def test_a_record_of_another_form_is_refused_by_name(tmp_path: Path) -> None:
    made(tmp_path)
    for text, said in (
        ("{", "cannot be read"),
        ("[]", "is damaged"),
        ('{"pid": "7"}', "pid is no int"),
        ('{"cgroups": []}', "cgroups is no dict"),
    ):
        (tmp_path / "c1/status").write_text(text)
        with pytest.raises(StateError, match=said):
            Entry.open(str(tmp_path), "c1")
    assert list(Entry.all(str(tmp_path))) == []


def test_every_container_is_found_by_name(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        made(tmp_path, name)
    (tmp_path / "half").mkdir()
    (tmp_path / "a file").touch()
    assert [entry.record.id for entry in Entry.all(str(tmp_path))] == ["a", "b", "c"]
    assert list(Entry.all(str(tmp_path / "missing"))) == []


def test_the_status_follows_the_process(tmp_path: Path) -> None:
    assert made(tmp_path, "new").status() == "creating"
    entry = living(tmp_path)
    assert entry.status() == "running"
    Path(entry.socket).touch()
    # a start that was killed left its socket, and the workload runs
    assert entry.status() == "running"
    entry.record.start_time += 1
    assert entry.status() == "stopped"
    entry.record.start_time -= 1
    entry.record.boot_id = "another"
    assert entry.status() == "stopped"


def test_a_frozen_container_is_paused(tmp_path: Path) -> None:
    entry = living(tmp_path)
    group = tmp_path / "group"
    group.mkdir()
    entry.record.cgroups = {"freezer": str(group)}
    assert entry.status() == "running"
    (group / "freezer.state").write_text("FROZEN\n")
    assert entry.status() == "paused"
    (group / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    entry.record.cgroups = {"unified": str(group)}
    assert entry.status() == "paused"


def test_removal_takes_only_what_is_known(tmp_path: Path) -> None:
    entry = made(tmp_path)
    Path(entry.notify).mkdir()
    stranger = tmp_path / "c1/stranger"
    stranger.touch()
    with pytest.raises(StateError, match="cannot remove"):
        entry.remove()
    assert stranger.exists()
    stranger.unlink()
    entry.remove()
    entry.remove()
    assert not (tmp_path / "c1").exists()


def test_a_record_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    entry = made(tmp_path)
    entry.remove()
    with pytest.raises(StateError, match="cannot write"):
        entry.write()


def test_a_half_made_one_goes_by_force_alone(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    with pytest.raises(HalfMadeError, match="delete --force"):
        lifecycle.chosen(str(tmp_path), "half", regex=False)
    assert lifecycle.chosen(str(tmp_path), "half", regex=False, force=True) == []
    assert not (tmp_path / "half").exists()
    assert lifecycle.chosen(str(tmp_path), "half", regex=False, force=True) == []
    with pytest.raises(StateError, match="does not exist"):
        lifecycle.chosen(str(tmp_path), "half", regex=False)


def test_an_expression_chooses_many(tmp_path: Path) -> None:
    for name in ("test-1", "test-2", "other"):
        made(tmp_path, name)
    found = lifecycle.chosen(str(tmp_path), "^test-[0-9]$", regex=True)
    assert [entry.record.id for entry in found] == ["test-1", "test-2"]
