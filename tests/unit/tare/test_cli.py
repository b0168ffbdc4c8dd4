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

from benchmarks.results.journal import JournalWriter
from benchmarks.results.reader import read
from benchmarks.results.records import Status
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
    monkeypatch.setattr("tare.measure.state_folder", lambda: tmp_path / "state")

    def call(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


def test_a_run_and_its_report_from_nothing_but_the_command(tare: Tare, tmp_path: Path) -> None:
    run = tmp_path / "run"
    code, out, err = tare("run", "smoke", *FAKES, "--blocks", 6, "--out", run)
    assert code == 0
    assert str(run / "report.html") in out
    assert "<html" in (run / "report.html").read_text()
    assert f"report {run} --serve" in err
    assert "next:   `tare run quick`" in err
    code, out, _ = tare("report", run, "--format", "json")
    assert code == 0
    assert json.loads(out)


def test_a_run_folder_that_is_not_there_names_the_nearest(tare: Tare, fake_run: Path) -> None:
    code, _, err = tare("report", f"{fake_run}s")
    assert code == 1
    assert f"did you mean '{fake_run}'?" in err


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
    assert "hosts of different classes" in out


def test_what_can_no_longer_be_measured_is_a_regression(
    tare: Tare,
    fake_run: Path,
    tmp_path: Path,
) -> None:
    shutil.copytree(fake_run, tmp_path / "new")
    file = tmp_path / "new" / "run.json"
    run = json.loads(file.read_text())
    run["sandboxes"] = [box for box in run["sandboxes"] if box["name"] != "fake:slow"]
    run["absent"] = {"fake:slow": "it is gone"}
    file.write_text(json.dumps(run))
    journal = tmp_path / "new" / "samples.jsonl"
    content = read(journal)
    journal.unlink()
    with JournalWriter(journal) as writer:
        for visit in content.visits:
            if visit.sandbox == "fake":
                kept = [s for s in content.samples if (s.block, s.sandbox) == (visit.block, "fake")]
                writer.append(kept, visit)
    code, out, _ = tare("compare", fake_run, tmp_path / "new")
    assert code == 3
    assert "worse: startup, in fake:slow: measured before, and now in vain" in out


def test_a_run_in_which_nothing_could_be_measured_is_an_error(tare: Tare, tmp_path: Path) -> None:
    code, _, err = tare("run", "smoke", "-s", "fake:broken", "--out", tmp_path / "run")
    assert code == 1
    assert "nothing could be measured" in err


def test_probes_of_a_sandbox_that_never_started_are_errors_and_not_safe(
    tare: Tare,
    tmp_path: Path,
) -> None:
    args = ("-s", "fake", "-s", "fake:broken", "-w", "leaks", "-w", "controls", "-w", "startup")
    code, _, err = tare("run", "smoke", *args, "--out", tmp_path / "run")
    assert "fake:broken could not be measured" in err
    assert code == 1
    broken = [s for s in read(tmp_path / "run" / "samples.jsonl").samples if "broken" in s.sandbox]
    probes = [s for s in broken if s.workload in {"leaks", "controls"}]
    assert len(probes) > 100
    assert all(s.status is not Status.OK and s.text is None for s in probes)


def test_a_sandbox_that_cannot_be_had_is_told_by_the_exit_code(tare: Tare, tmp_path: Path) -> None:
    args = ("run", "smoke", "-s", "fake", "-s", "oci:nothing", "-w", "startup", "--no-report")
    code, _, err = tare(*args, "--out", tmp_path / "a")
    assert code == 4
    assert "oci:nothing could not be had here" in err
    assert "--allow-missing" in err
    code, _, err = tare(*args, "--out", tmp_path / "b", "--allow-missing")
    assert code == 0
    assert "oci:nothing could not be had here" in err


def test_a_workload_that_always_failed_is_told_by_the_exit_code(tare: Tare, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(
        'name = "wrong"\ntitle = "never matches"\ncommand = ["x"]\nseconds = 1\ntimeout_s = 2\n'
        "pattern = 'nothing (?P<rate>[0-9]+) (?P<events>[0-9]+)'\n"
    )
    args = ("run", "smoke", "-s", "fake", "-w", "startup", "-w", file, "--no-report")
    code, _, err = tare(*args, "--out", tmp_path / "a")
    assert code == 1
    assert "wrong gave nothing in fake" in err
    assert tare(*args, "--out", tmp_path / "b", "--allow-missing")[0] == 0


@pytest.mark.parametrize("command", [("run", "smoke", "-s", "fake"), ("leaks", "fake")])
def test_a_run_is_kept_in_a_folder_and_in_nothing_else(
    tare: Tare, tmp_path: Path, fake_run: Path, command: tuple[str, ...]
) -> None:
    os.mkfifo(tmp_path / "fifo")
    before = sorted(fake_run.rglob("*"))
    for out in ("/dev/null", tmp_path / "fifo", fake_run / "samples.jsonl", fake_run / "logs"):
        code, _, err = tare(*command, "--out", out)
        assert code == 2
        assert "Invalid value for '--out'" in err
    assert sorted(fake_run.rglob("*")) == before


def test_an_odd_folder_name_is_used_as_it_is(tare: Tare, tmp_path: Path) -> None:
    out = tmp_path / "a b\udcff \N{SNOWMAN}"
    assert tare("run", "smoke", "-s", "fake", "-w", "startup", "--out", out, "--no-report")[0] == 0
    assert (out / "run.json").exists()


def test_resuming_a_run_of_an_unknown_sandbox_is_one_sentence(tare: Tare, fake_run: Path) -> None:
    file = fake_run / "run.json"
    file.write_text(file.read_text().replace('"fake:slow"', '"fake:slaw"'))
    code, _, err = tare("run", "--resume", fake_run)
    assert code == 2
    assert "did you mean 'fake:slow'" in err


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
    assert "s a block" in out
    assert "looked at once: leaks, controls" in out
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (("run", "quik"), 2, "did you mean 'quick'?"),
        (("run", "smoke", "-s", "contaner"), 2, "did you mean 'container'?"),
        (("run", "smoke", "--budget", "-1"), 2, "budget_s"),
        (("run", "smoke", "--budget", "nan"), 2, "budget_s"),
        (("run", "none.toml"), 2, "No such file"),
        (("report", "/nonexistent"), 1, "is not a run folder"),
        (("compare", "/nonexistent", "/nonexistent"), 1, "is not a run folder"),
        (("run", "--resume", "/nonexistent"), 1, "is not a run folder"),
        (("run", "a" * 300), 2, "there is no preset"),
        (("run", "a" * 300 + ".toml"), 2, "File name too long"),
        (("run", "nul\0.toml"), 2, "null byte"),
        (("run", "smoke", "-s", "fake", "-w", "n" * 300), 2, "there is no workload"),
        (("run", "smoke", "-s", "fake", "-w", "nul\0"), 2, "there is no workload"),
        (("run", "smoke", "-s", "fake\0"), 2, "there is no sandbox"),
        (("run", "smoke", "-s", "fake", "--out", "n" * 300), 2, "File name too long"),
        (("run", "smoke", "--seed", "-1"), 2, "seed: must be 0 or more"),
        (("run", "smoke", "--budget", "0"), 2, "budget_s: must be"),
        (("compare", "a", "b", "--threshold", "nan"), 2, "nan is no fraction"),
        (("compare", "a", "b", "--threshold", "inf"), 2, "inf is no fraction"),
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


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('name = "../../trav"', "odd.toml:1: name: must be"),
        (r'name = "nul\u0000"', "odd.toml:1: name: must be"),
        (f'name = "{"n" * 300}"', "odd.toml:1: name: must be"),
        ('name = ".hidden"', "odd.toml:1: name: must be"),
        (f"name = {'[' * 9000}{']' * 9000}", "it is nested too deeply for a campaign"),
        ('name = "a"\nbudget_s = 0', "odd.toml:2: budget_s: must be"),
        ('name = "a"\nbudget_s = -1.0', "odd.toml:2: budget_s: must be"),
        ('name = "a"\nbudget_s = nan', "odd.toml:2: budget_s: must be"),
        ('name = "a"\nseed = -1', "odd.toml:2: seed: must be"),
        ('name = "a"\nseed = 99999999999999999999', "odd.toml:2: seed: must be"),
        ("name = 1979-05-27", "odd.toml:1: name: must be text, not a date"),
    ],
)
def test_a_campaign_that_cannot_be_is_one_sentence(
    tare: Tare, tmp_path: Path, line: str, sentence: str
) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(f'{line}\nsandboxes = ["fake"]\nworkloads = ["startup"]\n')
    code, _, err = tare("run", file, "--dry-run")
    assert code == 2
    assert sentence in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("options", "variable", "recorded"),
    [
        (("--commit", "0123abc"), "fedcba9876", "0123abc"),
        ((), "fedcba9876", "fedcba9876"),
        ((), "not a commit", None),
    ],
)
def test_a_run_keeps_the_commit_it_is_of(  # noqa: PLR0917  # fixtures and cases
    tare: Tare,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    variable: str,
    recorded: str | None,
) -> None:
    monkeypatch.delenv("GITHUB_SHA", raising=False)
    monkeypatch.setenv("CI_COMMIT_SHA", variable)
    run = tmp_path / "run"
    args = ("-s", "fake", "-w", "startup", "--blocks", 2, "--no-report", "--out", run)
    assert tare("run", "smoke", *args, *options)[0] == 0
    assert json.loads((run / "run.json").read_text())["commit"] == recorded


def test_what_is_no_commit_is_refused(tare: Tare, fake_run: Path) -> None:
    code, _, err = tare("run", "smoke", "--commit", "$(reboot)")
    assert code == 2
    assert "7 to 64 hex digits" in err
    assert tare("run", "--resume", fake_run, "--commit", "0123abc")[0] == 2


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


def test_no_memory_left_is_one_sentence(
    tare: Tare, fake_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("benchmarks.results.runfolder.load", full)
    code, out, err = tare("report", fake_run)
    assert (code, out) == (1, "")
    assert "tare ran out of memory; end other programs" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            subprocess.TimeoutExpired(["mmdebstrap", "--version"], 10.0),
            "tare: mmdebstrap --version did not end within 10 s; ",
        ),
        (subprocess.CalledProcessError(2, ["umount", "/x"]), "tare: umount /x ended with 2; "),
        (
            OSError(28, "No space left on device", "/run/x"),
            "tare: /run/x: No space left on device; ",
        ),
    ],
)
def test_what_nobody_expected_of_the_host_is_a_sentence(
    tare: Tare, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr("tare.doctor.render.doctor_command", fail)
    code, out, err = tare("doctor")
    assert (code, out) == (1, "")
    assert err.startswith(said)
    assert err.count("\n") == 1
    monkeypatch.setenv("TARE_DEBUG", "1")
    with pytest.raises(type(error)):
        cli.main(["doctor"])
