"""The parts of a report about isolation, from files that are made up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

import reports
from benchmarks.experiments.covert_channels import Attempt
from benchmarks.experiments.interference import Account, Interference, Ordeal
from benchmarks.experiments.probes import Verdict
from benchmarks.experiments.surface import METHODS
from benchmarks.experiments.sweep import VERDICTS, FileFinding, Trait, totals
from benchmarks.results import metrics
from benchmarks.results.records import Sample, Status, Unit
from tests.unit.reports.conftest import Synthetic

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.results.runfolder import Run

ABLATED = ("container", "container:no-pid", "container:no-uts", "vm")


def sample(sandbox: str, workload: str, metric: str, value: float | None, detail: str) -> Sample:
    return Sample(
        run="synthetic",
        block=0,
        sandbox=sandbox,
        workload=workload,
        metric=metric,
        unit=Unit.COUNT,
        status=Status.OK if value is not None else Status.FAILED,
        started_at=1.0,
        value=value,
        detail=detail,
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with everything about isolation in it."""
    logs = tmp_path / "logs"
    logs.mkdir()
    made = Synthetic(blocks=6).build(tmp_path)
    live = FileFinding(
        path="/proc/uptime",
        verdict=Verdict.SHARED_LIVE,
        evidence="host: 1 <b>; sandbox: 1",
        traits=(Trait.VARYING,),
        bits=7.2,
    )
    masked = FileFinding(path="/proc/keys", verdict=Verdict.MASKED, evidence="host: 2")
    for name, findings in (("native", [live]), ("container", [live, masked])):
        VERDICTS.write(logs, findings, name)
        for metric, count in totals.totals(findings, 3).items():
            made.samples.append(sample(name, metrics.SWEEP, metric, count, "one line a file"))
    for metric in totals.TITLES:
        made.samples.append(sample("vm", metrics.SWEEP, metric, None, "no python3"))
    for metric in METHODS:
        made.samples.append(sample("container", metrics.SURFACE, metric, 50, "read, write"))
        made.samples.append(sample("vm", metrics.SURFACE, metric, None, "refused"))
    ends = {"sender": "container", "receiver": "vm", "symbol_s": 0.01, "rate": 100.0}
    tried = [
        Attempt(channel="locks", **ends, bits=64, wrong=1, busy=0.5),  # type: ignore[arg-type]
        Attempt(channel="cpu", **ends, bits=64, wrong=31, busy=0.5),  # type: ignore[arg-type]
        Attempt(channel="forks", **ends, closed="vm: EACCES"),  # type: ignore[arg-type]
        Attempt(channel="inodes", **ends, error="it broke"),  # type: ignore[arg-type]
    ]
    (logs / "channels-container-to-vm.json").write_bytes(msgspec.json.encode(tried))
    found = Interference(
        ordeals=(
            Ordeal(sandbox="container", victim="cpu", aggressor="cpu", pairs=((9.0, 3.0),) * 6),
            Ordeal(sandbox="container", victim="net", aggressor="cpu", error="it broke"),
        ),
        accounts=(
            Account(
                sandbox="container",
                aggressor="net-send",
                charged_s=(0.3,) * 6,
                uncharged_s=(0.1,) * 6,
                round_s=0.8,
            ),
        ),
    )
    (logs / "interference-container.json").write_bytes(msgspec.json.encode(found))
    return made


def test_the_page_shows_all_of_it_with_the_evidence_folded_away(run: Run) -> None:
    page = reports.render(run, "html")
    for heading in ("sweep", "surface", "channels", "interference"):
        assert f'id="{heading}"' in page
    assert page.count("<details>") >= 4
    assert "host: 1 &lt;b&gt;; sandbox: 1" in page
    assert "beside 300\u00a0ms charged" in page
    assert "below" in page
    assert "EACCES" in page


def test_what_failed_is_shown_as_failed_and_never_as_nothing(run: Run) -> None:
    report = reports.document(run)
    vm = next(one for one in report.sweeps if one.sandbox == "vm")
    assert (vm.error, vm.totals) == ("no python3", {})
    channels = {one.channel: one for one in report.channels}
    assert channels["inodes"].bits_per_s is None
    assert channels["forks"].said == "closed: vm: EACCES"
    assert (channels["cpu"].carries, channels["locks"].carries) == (False, True)
    assert channels["locks"].band == "auditable"
    assert channels["locks"].published == (5000, 22000)
    assert report.ordeals[1].error == "it broke"
    assert report.ordeals[0].slowdown is not None
    assert report.ordeals[0].slowdown.estimate == pytest.approx(3)
    assert report.ordeals[0].lost_per_s is not None
    assert report.ordeals[0].lost_per_s.estimate == 6


def test_the_json_form_holds_it_too(run: Run) -> None:
    found = json.loads(reports.render(run, "json"))
    assert {"sweeps", "surface", "channels", "ordeals", "accounts", "ablation"} <= found.keys()
    assert found["sweeps"][1]["exposed"][0]["bits"] == 7.2


def test_an_ordinary_run_has_none_of_these_sections(tmp_path: Path) -> None:
    page = reports.render(Synthetic(blocks=2).build(tmp_path), "html")
    assert 'id="sweep"' not in page
    assert 'id="ablation"' not in page


def test_an_ablation_is_one_table_and_one_picture(tmp_path: Path) -> None:
    opened = {"container:no-pid": {"hostname", "processes"}}
    made = Synthetic(blocks=8, sandboxes=ABLATED, opened=opened).build(tmp_path)
    report = reports.document(made)
    rows = {row.technology: row for row in report.ablation}
    assert rows.keys() == {"pid", "uts"}
    assert set(rows["pid"].opened) == {"hostname", "processes"}
    assert rows["uts"].opened == ()
    assert rows["pid"].compared > 0
    assert rows["pid"].cost_s is not None
    assert rows["pid"].cost_s.n == 8
    assert rows["pid"].cost_bytes is not None
    page = reports.render(made, "html")
    assert page.count('id="ablation"') == 1
    assert page.count('aria-labelledby="ablation-title ablation-desc"') == 1
