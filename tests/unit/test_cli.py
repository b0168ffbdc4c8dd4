"""The command line on the fake sandbox, as a user meets it: output, exit codes, one sentence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from benchmarks.journal import JournalWriter, read
from tare import cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

type Tare = Callable[..., tuple[int, str, str]]

FAKES = ("-s", "fake", "-s", "fake:slow", "-w", "startup", "-w", "sysbench-cpu")


@pytest.fixture
def tare(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Tare:
    monkeypatch.setattr("tare.settings.state_folder", lambda: tmp_path / "state")
    monkeypatch.setattr("tare.commands.run.state_folder", lambda: tmp_path / "state", raising=False)

    def call(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


def test_a_run_and_its_report_from_nothing_but_the_command(tare: Tare, tmp_path: Path) -> None:
    run = tmp_path / "run"
    code, out, _ = tare("run", "smoke", *FAKES, "--blocks", 6, "--out", run)
    assert code == 0
    assert str(run / "report.html") in out
    assert "<html" in (run / "report.html").read_text()
    code, out, _ = tare("report", run, "--format", "json")
    assert code == 0
    assert json.loads(out)


def test_comparing_tells_worse_from_equal_and_from_too_noisy(tare: Tare, tmp_path: Path) -> None:
    for name, sandbox, blocks in (("a", "fake", 40), ("few", "fake", 3)):
        args = ("-s", sandbox, "-w", "startup", "--blocks", blocks, "--out", tmp_path / name)
        assert tare("run", "smoke", *args, "--no-report")[0] == 0
    shutil.copytree(tmp_path / "a", tmp_path / "slow")
    journal = tmp_path / "slow" / "samples.jsonl"
    slower(journal, 1.5)
    assert tare("compare", tmp_path / "a", tmp_path / "a")[0] == 0
    assert tare("compare", tmp_path / "a", tmp_path / "slow")[0] == 3
    assert tare("compare", tmp_path / "slow", tmp_path / "a")[0] == 0
    assert tare("compare", tmp_path / "few", tmp_path / "few")[0] == 5


def test_runs_of_two_hosts_are_not_compared(tare: Tare, fake_run: Path, tmp_path: Path) -> None:
    shutil.copytree(fake_run, tmp_path / "other")
    file = tmp_path / "other" / "run.json"
    run = json.loads(file.read_text())
    run["host"]["identity"]["cpu_model"] = "another"
    file.write_text(json.dumps(run))
    code, out, _ = tare("compare", fake_run, tmp_path / "other")
    assert code == 5
    assert "different hosts" in out


def slower(journal: Path, factor: float) -> None:
    """Rewrite a journal as if everything had taken longer."""
    content = read(journal)
    journal.unlink()
    with JournalWriter(journal) as writer:
        for visit in content.visits:
            samples = [
                msgspec.structs.replace(s, value=s.value * factor)
                for s in content.samples
                if (s.block, s.sandbox) == (visit.block, visit.sandbox) and s.value is not None
            ]
            closing = msgspec.structs.replace(visit, samples=len(samples))
            writer.append(samples, closing)


def test_a_dry_run_prints_the_plan_and_makes_nothing(tare: Tare, tmp_path: Path) -> None:
    code, out, _ = tare("run", "quick", "--dry-run", "--out", tmp_path / "run")
    assert code == 0
    assert "native" in out
    assert "block 1" in out
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (("run", "quik"), 2, "did you mean 'quick'?"),
        (("run", "smoke", "-s", "contaner"), 2, "did you mean 'container'?"),
        (("run", "smoke", "--budget", "-1"), 2, "budget_s"),
        (("run", "none.toml"), 2, "No such file"),
        (("report", "/nonexistent"), 1, "is not a run folder"),
        (("compare", "/nonexistent", "/nonexistent"), 1, "is not a run folder"),
        (("run", "--resume", "/nonexistent"), 1, "is not a run folder"),
        (("rum",), 2, "did you mean 'run'?"),
        (("report",), 2, "Missing argument"),
    ],
)
def test_bad_input_is_one_sentence_and_an_exit_code(
    tare: Tare,
    args: tuple[str, ...],
    code: int,
    sentence: str,
) -> None:
    ended, _, err = tare(*args)
    assert ended == code
    assert sentence in err
    assert "Traceback" not in err


def test_resume_takes_no_other_options(tare: Tare, fake_run: Path) -> None:
    code, _, err = tare("run", "quick", "--resume", fake_run)
    assert code == 2
    assert "give nothing else" in err


def test_without_root_the_real_sandboxes_say_what_they_need(
    tare: Tare,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr("benchmarks.image.build", lambda **_: None)
    code, _, err = tare("run", "smoke", "--out", tmp_path / "run")
    assert code == 4
    assert "needs root" in err
    assert not (tmp_path / "run" / "run.json").exists()


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    script = (
        "import sys; sys.argv = ['tare', '--help']\n"
        "import tare.cli\n"
        "try: tare.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'pandas', 'matplotlib', 'scipy', 'numpy', 'libvirt'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "doctor" in done.stdout
