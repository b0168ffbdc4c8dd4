"""A campaign ended from outside, or robbed of its folder: what is said, and whether it is true."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from benchmarks.errors import RunFolderError
from benchmarks.results import runfolder
from benchmarks.session.measure import measure
from tests.unit.benchmarks.session.test_robustness import OWN_STATE
from tests.unit.conftest import Silent, fake_campaign

if TYPE_CHECKING:
    from pathlib import Path

SLOW_OPENING = """
import time
from benchmarks.session import measure
opening, pause = measure.open_all, float(sys.argv.pop())
measure.open_all = lambda *args: time.sleep(pause) or opening(*args)
"""


@pytest.fixture(autouse=True)
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fake.toml").write_text(
        'name = "tiny"\nsandboxes = ["fake"]\nworkloads = ["startup"]\n'
        "blocks_min = 6\nblocks_max = 6\n"
    )
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_the_hint_to_resume_is_true_before_anything_was_opened(
    tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "run"
    words = ("--no-report", "fake.toml", "--out", str(out), "60")
    code = OWN_STATE.replace("cli.main(sys.argv[2:])", SLOW_OPENING + "cli.main(sys.argv[2:])")
    args = [sys.executable, "-c", code, str(tmp_path / "state"), "run", *words]
    with subprocess.Popen(args, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 120
        while not (out / "run.json").exists() and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(0.2)
        process.send_signal(number)
        process.send_signal(signal.SIGHUP)  # a shell that loses its terminal says it once more
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == f"tare: stopped; continue with `tare run --resume {out}`"
    with pytest.raises(RunFolderError, match="before anything was measured; continue it with"):
        runfolder.load(out)
    again = [*args[:5], "--no-report", "--resume", str(out), "0"]
    done = subprocess.run(again, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(runfolder.load(out).visits) == 6


def test_a_hang_up_that_nohup_ignores_is_ignored(tmp_path: Path) -> None:
    code = OWN_STATE.replace("cli.main(sys.argv[2:])", SLOW_OPENING + "cli.main(sys.argv[2:])")
    out = tmp_path / "run"
    args = [sys.executable, "-c", code, str(tmp_path / "state"), "run", "--no-report", "fake.toml"]
    ignoring = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *args, "--out", str(out), "2"]
    with subprocess.Popen(ignoring, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 120
        while not (out / "run.json").exists() and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGHUP)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said


class Robber(Silent):
    """Takes the run folder away at the third visit."""

    def __init__(self, out: Path, *, moved: bool) -> None:
        super().__init__()
        self._out, self._moved = out, moved

    def visiting(self, block: int, sandbox: str, remaining_s: float) -> None:
        super().visiting(block, sandbox, remaining_s)
        if len(self.visits) == 3:
            if self._moved:
                self._out.rename(self._out.with_name("elsewhere"))
            else:
                shutil.rmtree(self._out)


@pytest.mark.parametrize("moved", [True, False])
def test_a_vanished_run_folder_ends_the_campaign(tmp_path: Path, *, moved: bool) -> None:
    out, observer = tmp_path / "run", Robber(tmp_path / "run", moved=moved)
    with pytest.raises(RunFolderError, match="was moved or removed while the campaign ran"):
        measure(
            fake_campaign(), out, image=None, state=tmp_path / "state", tare_version="0",
            observer=observer,
        )  # fmt: skip
    assert len(observer.visits) == 3
    if moved:
        assert len(runfolder.load(tmp_path / "elsewhere").visits) == 2


def test_a_run_that_never_opened_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with runfolder.campaign_lock(tmp_path / "state" / "campaign.lock", "another"):
        args = [sys.executable, "-c", OWN_STATE, str(tmp_path / "state"), "run", "fake.toml"]
        done = subprocess.run(
            [*args, "--out", "run"], capture_output=True, text=True, check=False, timeout=120
        )
    assert "another campaign is running" in done.stderr
    assert not (tmp_path / "run").exists()
