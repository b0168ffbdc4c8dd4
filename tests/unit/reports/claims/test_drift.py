"""A run whose halves differ says so: before the numbers, in the conditions and in its verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

import reports
from tests.unit.reports.conftest import Synthetic

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.results.runfolder import Run


def run_with(factor: Callable[[str, int], float]) -> Run:
    run = Synthetic(blocks=20, emulated=False, spread=0.02).build()
    return run._replace(
        samples=[
            one
            if one.metric != "startup_main_s" or one.value is None
            else msgspec.structs.replace(one, value=one.value * factor(one.sandbox, one.block))
            for one in run.samples
        ]
    )


def test_a_hog_from_the_middle_on_is_told_with_its_block() -> None:
    run = run_with(lambda sandbox, block: 1.9 if sandbox == "container" and block >= 10 else 1.0)
    document = reports.document(run)
    assert any(
        one.startswith("The halves of this run differ: starts of container changed from block 11")
        for one in document.warnings
    )
    assert any(
        one.startswith("Starts of container changed from block 11 on") for one in (document.caveats)
    )
    assert not any("warm-up" in one for one in document.caveats)
    starts = next(claim for claim in document.claims if claim.id == "starts-fast")
    assert "but the halves differ: " in starts.reason
    assert "before block 11" in starts.reason
    shown = reports.render(run, "text")
    assert "What changed while it ran" in shown


def test_what_slows_all_sandboxes_alike_does_not_touch_a_ratio() -> None:
    document = reports.document(run_with(lambda _, block: 1.9 if block >= 10 else 1.0))
    assert sum("changed from block 11 on" in one for one in document.caveats) == 3
    starts = next(claim for claim in document.claims if claim.id == "starts-fast")
    assert "halves differ" not in starts.reason


def test_two_modes_are_told() -> None:
    document = reports.document(run_with(lambda _, block: 1.0 if block % 3 else 1.7))
    assert sum("come in two modes, around" in one for one in document.caveats) == 3
    assert not any("halves" in one for one in document.warnings)


def test_a_steady_run_says_nothing_of_it() -> None:
    shown = reports.render(run_with(lambda _sandbox, _block: 1.0), "text")
    assert "halves" not in shown
    assert "What changed while it ran" not in shown
