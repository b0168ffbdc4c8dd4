"""What a sandbox costs against what it exposes, of runs that are made up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.assembly import report
from reports.claims import tradeoff
from reports.model.rundata import RunData
from reports.renderers.html.page import html

if TYPE_CHECKING:
    from tests.unit.reports.conftest import Synthetic


def _front(made: Synthetic, cost: str) -> frozenset[str]:
    data = RunData(made.build())
    return tradeoff.front(data, cost, tradeoff.points(data, cost))


def test_cheaper_with_more_leaks_and_dearer_with_fewer_are_both_unbeaten(
    synthetic: Synthetic,
) -> None:
    synthetic.emulated = False
    assert _front(synthetic, "start") == {"container", "vm"}


def test_what_leaks_as_much_and_costs_more_is_beaten(synthetic: Synthetic) -> None:
    synthetic.emulated = False
    synthetic.leaks = dict.fromkeys(synthetic.leaks, ("namespaced", "namespaced"))
    assert _front(synthetic, "memory (PSS)") == {"container"}
    assert _front(synthetic, tradeoff.LOST) == {"container"}


def test_an_emulated_guest_neither_beats_nor_is_beaten(synthetic: Synthetic) -> None:
    assert _front(synthetic, "start") == {"container"}


def test_a_probe_without_result_widens_the_exposure(synthetic: Synthetic) -> None:
    low, high = tradeoff.exposures(RunData(synthetic.build()))["vm"]
    synthetic.leaks["kcore"] = ("masked", None)
    assert tradeoff.exposures(RunData(synthetic.build()))["vm"] == (low, high + 1)


def test_a_failed_cost_is_left_out_and_said(synthetic: Synthetic) -> None:
    synthetic.failing = {("vm", "startup_main_s"): {2}}
    page = html(report(synthetic.build()))
    assert "start leaves out native, vm" in page
    assert '<a href="#leaks"' in page[page.index("tradeoff-title") :]


def test_natives_failure_leaves_no_loss(synthetic: Synthetic) -> None:
    synthetic.failing = {("native", "throughput_per_s"): set(range(synthetic.blocks))}
    assert not tradeoff.points(RunData(synthetic.build()), tradeoff.LOST)
