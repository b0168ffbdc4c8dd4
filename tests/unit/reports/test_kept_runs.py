"""Run folders that an earlier tare wrote are read, and reported as they were then.

Each was measured by version 0.1.0 before the reports were made of sections, made smaller and
anonymous; ``summary.json`` is the JSON form that the same version gave of it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import reports
from benchmarks.results import runfolder

RUNS = Path(__file__).parents[2] / "data" / "runs"
NAMES = sorted(path.name for path in RUNS.iterdir())
MEANT = {"numbers", "claims", "ablation", "ordeals", "accounts", "warnings", "caveats"}
"""Keys of the JSON form that differ on purpose. Ratios are Hodges and Lehmann's since, and only
what is found to be dependent is widened. Claims say more: by which counts, what would decide an
open one, whether they stand without flagged samples; their verdicts are what they were."""


def test_there_are_three() -> None:
    assert NAMES == ["ablation", "looks", "smoke"]


@pytest.mark.parametrize("name", NAMES)
def test_the_json_form_is_what_it_was(name: str) -> None:
    then = json.loads((RUNS / name / "summary.json").read_bytes())
    now = json.loads(reports.render(runfolder.load(RUNS / name), "json"))
    assert now.keys() >= then.keys()
    for key in then.keys() - MEANT:
        assert now[key] == rounded(then[key]), key
    was, became = ({one["id"]: one["verdict"] for one in each["claims"]} for each in (then, now))
    assert became == was


def rounded(value: object) -> object:
    """Let a float differ in its last digits: libraries add in another order."""
    if isinstance(value, float):
        return pytest.approx(value, rel=1e-6)
    if isinstance(value, list):
        return [rounded(one) for one in value]
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return value


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fmt", ["html", "md", "text", "csv"])
def test_every_other_form_is_made(name: str, fmt: str) -> None:
    shown = reports.render(runfolder.load(RUNS / name), fmt)
    then = json.loads((RUNS / name / "summary.json").read_bytes())
    if fmt == "csv":
        assert len(shown.splitlines()) == then["samples"] + 1
        return
    for claim in then["claims"]:
        assert claim["title"] in shown.replace("&#39;", "'")


def test_two_kept_runs_are_compared() -> None:
    run = runfolder.load(RUNS / "ablation")
    found = reports.compare(run, run)
    assert found.comparable
    assert not found.regressed
