"""Campaigns that are killed, run out of disk, or see the clock set: what is kept, what is said."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from benchmarks.results import runfolder
from benchmarks.results.records import Unit
from benchmarks.session import overhead
from tare import cli

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.conftest import Measure

#: One program for all cases, since what it imports takes a second.
KILLED = """
import os, signal, sys
from pathlib import Path
from benchmarks.results import journal
from benchmarks.session.measure import measure
from tests.unit.conftest import Silent, fake_campaign
write, count = os.pwrite, 0
def killing(descriptor, data, place):
    global count
    count += 1
    if count == at:
        write(descriptor, data[: int(len(data) * share)], place)
        os.kill(os.getpid(), signal.SIGKILL)
    return write(descriptor, data, place)
journal.os.pwrite = killing
for case in sys.argv[1:]:
    folder, at, share = Path(case), int(Path(case).name[0]), float(Path(case).name[2:])
    if (pid := os.fork()) == 0:
        measure(
            fake_campaign(), folder / "run", image=None, state=folder / "state",
            tare_version="0", observer=Silent(),
        )
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
WRITES = [(2, 0.0), (4, 0.5), (9, 1.0)]


OWN_STATE = """
import sys
from pathlib import Path
from tare import cli, measure
state = Path(sys.argv[1])
measure.state_folder = lambda: state  # the host's lock may be held by a real campaign
cli.main(sys.argv[2:])
"""


def test_a_run_cut_at_any_line_resumes_to_the_same_visits(fake_run: Path, measure: Measure) -> None:
    whole = runfolder.load(fake_run)
    file = fake_run / "samples.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    for kept in range(0, len(lines), 5):
        torn = lines[kept][: len(lines[kept]) // 2] if kept % 2 else b""
        file.write_bytes(b"".join(lines[:kept]) + torn)
        measure(fake_run, resume=True)
        resumed = runfolder.load(fake_run)
        assert len(resumed.samples) == len(whole.samples)
        visits = [(visit.block, visit.sandbox) for visit in resumed.visits]
        assert sorted(visits) == sorted((visit.block, visit.sandbox) for visit in whole.visits)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Runs that were killed at a write, by its number."""
    base = tmp_path_factory.mktemp("killed")
    folders = {at: base / f"{at}-{share}" for at, share in WRITES}
    args = [sys.executable, "-c", KILLED, *map(str, folders.values())]
    done = subprocess.run(args, check=True, timeout=120, stdout=subprocess.PIPE, text=True)
    assert done.stdout.split() == ["-9"] * len(folders)
    return folders


@pytest.mark.parametrize(("at", "share"), WRITES)
def test_a_run_that_was_killed_while_it_wrote_resumes(
    killed: dict[int, Path], measure: Measure, at: int, share: float
) -> None:
    out = killed[at] / "run"
    closed = len(runfolder.load(out).visits)
    assert closed == at - 2 + int(share)  # the first write is the lock's, then one a visit
    observer = measure(out, resume=True)
    assert len(observer.visits) == 12 - closed
    assert len(runfolder.load(out).visits) == 12


def test_a_full_disk_ends_in_one_sentence_and_the_run_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    tare = [sys.executable, "-c", OWN_STATE, str(tmp_path / "state"), "run"]
    campaign = tmp_path / "full.toml"
    campaign.write_text(
        'name = "full"\nsandboxes = ["fake"]\nworkloads = ["startup", "memory", "checksum"]\n'
        "blocks_min = 12\nblocks_max = 12\nsettle_s = 0\n"
    )
    options = [str(campaign), "--out", str(out), "--no-report"]
    full = subprocess.run(
        [*tare, *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        # a file may grow no further: what a full disk is to a journal
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (24_000, 24_000)),
    )
    assert full.returncode == 1
    assert "cannot write to" in full.stderr
    assert "continue with --resume" in full.stderr
    assert "Traceback" not in full.stderr
    closed = len(runfolder.load(out).visits)
    assert 0 < closed < 12
    monkeypatch.setattr("tare.measure.state_folder", lambda: tmp_path / "state")
    with pytest.raises(SystemExit) as end:
        cli.main(["run", "--resume", str(out), "--no-report"])
    assert not end.value.code
    assert len(runfolder.load(out).visits) == 12


def test_a_clock_that_is_set_flags_samples_and_moves_no_duration(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    true, calls = time.time, iter(range(10**6))
    monkeypatch.setattr(time, "time", lambda: true() - 3600 * next(calls))
    measure(tmp_path / "run")
    samples = runfolder.load(tmp_path / "run").samples
    assert any("clock-step" in sample.flags for sample in samples)
    seconds = [sample.value for sample in samples if sample.unit is Unit.SECONDS]
    assert all(value is not None and 0 <= value < 60 for value in seconds)


def test_a_quiet_clock_flags_nothing() -> None:
    with overhead.watch() as watched:
        pass
    assert "clock-step" not in watched.flags
