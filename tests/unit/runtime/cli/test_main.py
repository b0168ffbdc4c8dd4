"""What every command does whatever it is: one line on an error, an exit status, a log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from runtime.cli import main, verbs

if TYPE_CHECKING:
    from pathlib import Path


def fails(capfd: pytest.CaptureFixture[str], *line: str, status: int = 1) -> str:
    assert main(list(line)) == status
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("tare-oci: ")
    return err


def test_a_missing_container_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = f"--root={tmp_path}/none"
    for verb in ("state", "start", "pause", "resume", "ps", "delete", "events"):
        assert "'gone' does not exist" in fails(capfd, root, verb, "gone")
    assert "does not exist" in fails(capfd, root, "kill", "gone", "9")
    assert "does not exist" in fails(capfd, root, "exec", "gone", "true", status=255)
    assert main([root, "delete", "--force", "gone"]) == 0
    assert main([root, "list", "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out) == []


def test_an_error_is_logged_as_one_object(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.json"
    line = (f"--root={tmp_path}", f"--log={log}", "--log-format", "json", "state", "gone")
    told = fails(capfd, *line)
    entry = json.loads(log.read_text())
    assert entry["level"] == "error"
    assert f"tare-oci: {entry['msg']}\n" == told
    fails(capfd, f"--root={tmp_path}", f"--log=file:{log}", "state", "gone")
    assert log.read_text().splitlines()[1].startswith('time="')


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--log-format yaml list", "--log-format 'yaml'"),
        ("--log invalid:/path list", "only files are logged to"),
        ("--log-level loud list", "--log-level 'loud'"),
        ("--cgroup-manager cgroups list", "none of cgroupfs, systemd and disabled"),
        ("checkpoint c1", "does not drive CRIU"),
        ("restore --bundle /b c1", "does not drive CRIU"),
        ("checkpoint --help", "does not drive CRIU"),
        ("list --format xml", "neither table nor json"),
        ("kill c1 NOTHING", "is no signal"),
    ],
)
def test_what_is_refused(
    line: str, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert said in fails(capfd, "--root", str(tmp_path), *line.split())


def test_groups_of_systemd_need_systemd(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.path.isdir", lambda path: path != "/run/systemd/system")
    for option in ("--systemd-cgroup", "--cgroup-manager=systemd"):
        told = fails(capfd, "--root", str(tmp_path), option, "create", "c1")
        assert "leave --systemd-cgroup out" in told
    told = fails(capfd, "--root", f"{tmp_path}/none", "--systemd-cgroup", "delete", "c1")
    assert "leave --systemd-cgroup out" not in told


def test_a_surprise_is_one_line_and_no_trace(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def surprise(_: verbs.Call) -> int:
        raise ZeroDivisionError("one\ntwo")

    monkeypatch.setitem(verbs.ACTIONS, "list", surprise)
    assert "unexpected ZeroDivisionError: one two" in fails(capfd, "list")
    assert main(["--debug", "list"]) == 1
    assert "test_main.py" in capfd.readouterr().err


def test_help_names_the_options(capfd: pytest.CaptureFixture[str]) -> None:
    for line in (["--help"], ["create", "--help"], ["exec", "-h"]):
        assert main(line) == 0
        assert "--help" in capfd.readouterr().out
    assert main([]) == 1


def test_the_version_is_as_callers_read_it(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("tare-oci version ")
    assert lines[1].startswith("commit: ")
    assert lines[2].startswith("spec: ")


def test_a_user_without_a_place_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert "by --root" in fails(capfd, "list")
    assert main(["features"]) == 0


def test_a_template_is_written_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["spec", "--bundle", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "config.json").read_text())["process"]["args"] == ["sh"]
    assert "already exists" in fails(capfd, "spec", "--bundle", str(tmp_path))
