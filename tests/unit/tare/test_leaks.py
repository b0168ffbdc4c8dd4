"""``tare leaks`` on runs that are made up, and on the fake sandbox."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click
import msgspec
import pytest

from benchmarks.results.records import Status
from tare import cli
from tare import leaks as baseline
from tare.errors import ExitCode
from tare.measure import measure_run, passing_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.results.runfolder import Run

type Tare = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tare(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Tare:
    monkeypatch.setattr("tare.measure.state_folder", lambda: tmp_path / "state")

    def call(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


def row(sandbox: str, probe: str, verdict: str | None, **more: str) -> dict[str, Any]:
    status = "failed" if verdict is None else "ok"
    return {
        "sandbox": sandbox,
        "workload": "leaks",
        "probe": probe,
        "verdict": verdict,
        "status": status,
        **more,
    }


def saved(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps(rows))
    return path


def test_only_what_is_new_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = baseline.read(saved(tmp_path, row("container", "meminfo", "shared-live")))
    same = [row("container", "meminfo", "shared-live"), row("container", "kcore", "masked")]
    assert baseline.judge(same, known) is ExitCode.OK
    worse = [*same, row("container", "kmsg", "shared-live"), row("vm", "mount", "open")]
    assert baseline.judge(worse, known) is ExitCode.REGRESSION
    assert capsys.readouterr().err.splitlines() == [
        "new: container kmsg: shared-live",
        "new: vm mount: open",
    ]


def test_a_probe_that_errs_counts_as_new_since_it_may_hide_something(tmp_path: Path) -> None:
    known = baseline.read(saved(tmp_path, row("container", "kmsg", "masked")))
    assert baseline.judge([row("container", "kmsg", None)], known) is ExitCode.REGRESSION


def test_a_new_device_of_a_known_kind_is_no_new_leak(tmp_path: Path) -> None:
    known = baseline.read(
        saved(tmp_path, row("container", "/sys/block/loop1/size", "shared-live", workload="sweep"))
    )
    swept = row("container", "/sys/block/loop7/size", "shared-live", workload="sweep")
    assert baseline.judge([swept], known) is ExitCode.OK


@pytest.mark.parametrize("content", ["{", "[1]", '[{"sandbox": "vm"}]', '{"a": 1}'])
def test_a_baseline_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "baseline.json").write_text(content)
    with pytest.raises(click.UsageError, match="not the output"):
        baseline.read(tmp_path / "baseline.json")


def test_fail_on_new_needs_a_baseline(tare: Tare) -> None:
    code, _, err = tare("leaks", "--fail-on", "new")
    assert code == 2
    assert "tare leaks --json > FILE" in err


@pytest.mark.parametrize("option", [(), ("--sweep",)], ids=["probes", "sweep"])
def test_a_sandbox_without_an_agent_is_an_error_and_never_safe(
    tare: Tare, tmp_path: Path, option: tuple[str, ...]
) -> None:
    known = saved(tmp_path)
    code, out, err = tare("leaks", "fake", *option, "--fail-on", "new", "--baseline", known)
    assert code == 3
    assert "fake could not be measured" in err
    assert "failed" in out
    rows = [line for line in out.splitlines() if re.search(r"\b(masked|held|denied)\b.*\d$", line)]
    assert rows == []


def test_a_sandbox_that_cannot_be_had_ends_as_in_a_run(
    tare: Tare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tare.completeness._failed", lambda *_: [])  # the fake has no agent
    monkeypatch.setattr("tare.commands.leaks.measure_run", with_one_reading)
    code, _, err = tare("leaks", "fake", "oci:nothing", "--out", tmp_path / "run")
    assert code == 4
    assert "oci:nothing could not be had here" in err
    code, _, err = tare("leaks", "fake", "oci:nothing", "--allow-missing")
    assert code == 0
    assert "oci:nothing could not be had here" in err


def with_one_reading(*args: Any, **more: Any) -> Run:
    run = measure_run(*args, **more)
    first = msgspec.structs.replace(run.samples[0], status=Status.OK, text="masked")
    return run._replace(samples=[first, *run.samples[1:]])


def test_what_a_killed_one_wrote_is_removed_by_the_next_start(tare: Tare, tmp_path: Path) -> None:
    left = tmp_path / "state" / "temporary" / "killed"
    left.mkdir(parents=True)
    (left / "run.json").touch()
    with passing_run() as others:
        others.mkdir()
        _, _, err = tare("leaks", "fake", "--allow-missing")
        assert f"removed what a killed tare had left: temporary folder {left}\n" in err
        assert others.is_dir()
    assert list(left.parent.iterdir()) == []


def test_an_unknown_probe_is_one_sentence(tare: Tare) -> None:
    code, _, err = tare("leaks", "--explain", "meminf")
    assert code == 2
    assert "did you mean 'meminfo'?" in err
