"""Standard streams and working directories as scripts and services leave them: a sentence each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.unit.reports.test_kept_runs import RUNS

if TYPE_CHECKING:
    from pathlib import Path

RUN = f"{RUNS / 'smoke'}"
TARE = f"{sys.executable} {RUNS.parents[1] / 'framework' / 'tare_apart.py'}"


def shell(line: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-c", line.replace("tare ", f"{TARE} ")],
        capture_output=True,
        check=False,
        cwd=cwd,
        env=os.environ
        | {"PYTHONPATH": str(RUNS.parents[2]), "TARE_APART": str(cwd / "state")}
        | environment,
    )


@pytest.mark.parametrize(
    ("line", "code", "sentence"),
    [
        (
            "tare report RUN --format csv >/dev/full",
            1,
            "No space left on device; part of it",
        ),
        ("tare compare RUN RUN >/dev/full", 1, "No space left on device; part of it"),
        ("tare list >/dev/full", 1, "cannot write to standard output: No space left on device"),
        ("tare report RUN --format csv >&-", 1, "cannot write to standard output: Bad file descr"),
        ("tare report RUN --format csv | true; exit ${PIPESTATUS[0]}", 1, ""),
        ("tare report RUN --format md --out r.md 2>/dev/full", 0, ""),
        ("tare report RUN --format md --out r.md 2>&- <&-", 0, ""),
        ("tare report nowhere 2>/dev/full", 1, ""),
        ("mkdir d; cd d; rmdir ../d; tare run smoke -s fake", 1, "working directory was deleted"),
        ("mkdir d; cd d; rmdir ../d; tare report RUN --format csv --out no.csv", 1, "cannot write"),
        ("mkdir d; cd d; rmdir ../d; tare report RUN --format csv", 0, ""),
    ],
)
def test_odd_streams_and_folders(tmp_path: Path, line: str, code: int, sentence: str) -> None:
    done = shell(line.replace("RUN", RUN), tmp_path)
    said = done.stderr.decode()
    assert (done.returncode, sentence in said) == (code, True), said
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    assert len(said.splitlines()) == bool(sentence)


def test_a_campaign_outlives_both_streams_and_writes_its_report(tmp_path: Path) -> None:
    line = "tare run smoke -s fake -w startup --blocks 6 --out r >/dev/full 2>/dev/full"
    assert shell(line, tmp_path).returncode == 1
    assert "<html" in (tmp_path / "r" / "report.html").read_text()


@pytest.mark.parametrize("columns", ["0", "-5", "1", "wide"])
def test_a_width_that_cannot_be_is_not_taken(tmp_path: Path, columns: str) -> None:
    line = "tare run smoke -s fake -w startup --blocks 6 --no-report --out r"
    done = shell(line, tmp_path, COLUMNS=columns)
    assert done.returncode == 0, done.stderr
    assert "The claims" not in done.stdout.decode()  # the summary, whose lines are whole
    assert "not testable here" in done.stdout.decode()


@pytest.mark.skipif(shutil.which("script") is None, reason="needs script(1)")
def test_a_terminal_of_no_width_shows_progress(tmp_path: Path) -> None:
    inner = f"stty cols 0; COLUMNS=0 {TARE} run smoke -s fake -w startup --out r --no-report"
    done = shell(f"script -qec {subprocess.list2cmdline([inner])!s} /dev/null", tmp_path)
    assert done.returncode == 0, done.stdout
    assert b"Traceback" not in done.stdout


def test_a_terminal_that_knows_ascii_alone(tmp_path: Path) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    line = "tare run smoke -s fake -w startup --blocks 6 --out r"
    for command in (line, f"tare compare {RUN} {RUN}", f"tare report {RUN} --format text"):
        done = shell(command, tmp_path, **ascii_only)
        assert done.returncode in {0, 5}, done.stderr
        assert b"Traceback" not in done.stderr
