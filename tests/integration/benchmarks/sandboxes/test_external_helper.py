"""The helper process of external runtimes: what it removes and in which order."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.errors import MeasurementError
from benchmarks.sandboxes.external.client import Helper

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def state() -> Iterator[Path]:
    folder = Path(f"/run/tare-helper-{os.getpid()}")
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def helper(state: Path) -> Iterator[Helper]:
    made = Helper(state, affinity=(max(os.sched_getaffinity(0)),))
    yield made
    made.close()
    assert not made.folder.exists()


def script(words: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", words)


def test_what_could_not_be_removed_is_removed_at_the_end(helper: Helper, state: Path) -> None:
    log = state / "log"
    helper.ask("at_end", name="one", undo=script(f"echo tried >> {log}; test -e {state}/ready"))
    assert helper.ask("drop", name="one")[0]["status"] == 1
    (state / "ready").touch()
    helper.close()
    assert log.read_text().split() == ["tried", "tried"]


def test_what_was_removed_is_not_removed_again(helper: Helper, state: Path) -> None:
    helper.ask("at_end", name="one", undo=script(f"echo tried >> {state}/log"))
    assert helper.ask("drop", name="one")[0]["status"] == 0
    helper.close()
    assert (state / "log").read_text().split() == ["tried"]


def test_a_command_in_flight_ends_before_what_it_makes_is_removed(
    helper: Helper, state: Path
) -> None:
    undo = script(f"sleep 0.2; rm -f {state}/made.*; echo done > {state}/log")
    busy = script(f"while :; do : > {state}/made.$$; done")
    with helper.begin(busy, name="one", undo=undo):
        helper.close()
    assert (state / "log").exists()
    assert list(state.glob("made.*")) == []


def test_a_pid_file_without_a_pid_is_an_error_and_no_end(helper: Helper, state: Path) -> None:
    here, empty = state / "here", state / "empty"
    here.write_text(f"{os.getpid()}\n")
    empty.touch()
    with pytest.raises(MeasurementError, match="empty holds no process id"):
        helper.ask("pids", pid_files=(str(here), str(empty)))
    answer, (pidfd,) = helper.ask("pids", pid_files=(str(here),))
    os.close(pidfd)
    assert answer["pids"] == [os.getpid()]


def test_after_an_interrupted_request_no_answer_is_taken_for_anothers(
    helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("benchmarks.sandboxes.external.client.wire.receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            helper.ask("put", files={})
    with pytest.raises(MeasurementError, match="the helper for external runtimes is gone"):
        helper.ask("put", files={})
