"""Acknowledged changes are shown and not alarmed; commits say where to look."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

import reports
from reports.history.acknowledged import AcknowledgementError, load
from tare import cli
from tests.unit.reports.history.conftest import START

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.reports.history.conftest import Made


def entry(series: str = START, change: str = "run-020", reason: str = "a mount more") -> str:
    return f'[[acknowledged]]\nseries = "{series}"\nchange = "{change}"\nreason = "{reason}"\n'


@pytest.mark.parametrize(
    ("text", "alarms"),
    [
        (entry(), 0),
        (entry(series="container startup *"), 0),
        (entry(series="vm startup *"), 1),
        (entry(change="run-003"), 1),
    ],
)
def test_an_acknowledged_change_is_shown_with_its_reason(
    made: Made, tmp_path: Path, text: str, alarms: int
) -> None:
    made.runs(20)
    made.runs(8, start=1.08)
    file = tmp_path / "ack.toml"
    file.write_text(text)
    found = reports.over_time([made.folder], 0.02, file)
    assert len(found.alarms) == alarms
    assert ("Acknowledged" in reports.render_history(found, "text")) is (alarms == 0)
    if not alarms:
        assert "a mount more" in reports.render_history(found, "text")


def test_what_comes_after_an_acknowledged_change_is_an_alarm_again(
    made: Made, tmp_path: Path
) -> None:
    made.runs(20)
    made.runs(12, start=1.08)
    made.runs(8, start=1.2)
    file = tmp_path / "ack.toml"
    file.write_text(entry())
    assert len(reports.over_time([made.folder], 0.02, file).alarms) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[acknowledged]]\nseries = "a"\nchange = "b"', "missing required field `reason`"),
        (entry(reason=" "), "has no reason"),
        ("[[acknowledged]\n", "not TOML|TOML"),
        ('[[ignored]]\nseries = "a"', "unknown field"),
    ],
)
def test_a_wrong_file_is_refused_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "ack.toml"
    file.write_text(text)
    with pytest.raises(AcknowledgementError, match=said):
        load(file)
    with pytest.raises(AcknowledgementError, match="cannot read"):
        load(tmp_path / "nowhere.toml")


def test_commits_between_are_listed_and_the_line_that_finds_the_one(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    made.runs(20, commit="abcdef")
    made.runs(8, start=1.08, commit="abcdef")
    with pytest.raises(SystemExit):
        cli.main(["history", str(made.folder)])
    out = capsys.readouterr().out
    assert "Commits: abcdef012, abcdef013, abcdef014" in out
    assert "git bisect start abcdef015 abcdef012" in out
    assert "tare ab ../good . -s container -w startup" in out


def test_what_is_no_commit_stands_in_no_command(made: Made) -> None:
    made.runs(20, commit="$(reboot)")
    made.runs(8, start=1.08, commit="$(reboot)")
    found = reports.over_time([made.folder], 0.02)
    assert "reboot" not in reports.render_history(found, "json")


def test_commits_that_no_run_has_measured_are_named(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.runs(20, commit="abcdef")
    made.runs(8, start=1.08, commit="abcdef")
    (change,) = (found for _, found in reports.over_time([made.folder], 0.02).alarms)
    ends = f"abcdef{change.first - 1:03x}", f"abcdef{change.last:03x}"
    asked = []

    def between(good: str, bad: str) -> list[str]:
        asked.append((good, bad))
        return ["1234567", "abcdef013", bad]

    found = reports.over_time([made.folder], 0.02, between=between)
    assert found.alarms[0][1].unmeasured == ("1234567",)
    assert ends in asked
    assert any("no run has measured 1234567" in said for said in found.missing)
    monkeypatch.chdir(tmp_path)  # no repository: nothing is known, and nothing is wrong
    from tare.commands.history import between_commits

    assert between_commits("abcdef0", "abcdef1") == []


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
def test_commits_between_two_are_asked_of_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tare.commands.history import between_commits

    monkeypatch.chdir(tmp_path)
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "init", "-q"], check=True)
    names = []
    for text in ("one", "two", "three"):
        commit = ["git", *who, "commit", "-q", "--allow-empty", "-m", text]
        subprocess.run(commit, check=True)
        asked = subprocess.run(
            ["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True
        )
        names.append(asked.stdout.strip())
    assert between_commits(names[0], names[2]) == names[1:]
    assert between_commits("--output=x", names[2]) == []
