from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import reports
from reports.comparison.changes import Change, Comparison, Effect
from tare.commands.compare import ended

if TYPE_CHECKING:
    from benchmarks.results.runfolder import Run
    from tests.unit.reports.conftest import Synthetic


RATES = {"native": 1000.0, "container": 1000.0, "vm": 9.0}


def slowed(synthetic: Synthetic, factor: float, seed: int = 9) -> Synthetic:
    starts = {
        name: {
            step: value * (factor if name == "container" else 1) for step, value in steps.items()
        }
        for name, steps in synthetic.starts.items()
    }
    return replace(synthetic, starts=starts, seed=seed)


def compared(base: Synthetic, new: Synthetic, threshold: float = 0.05) -> Comparison:
    return reports.compare(base.build(), new.build(), threshold)


def start(comparison: Comparison) -> Change:
    return next(
        change
        for change in comparison.changes
        if (change.sandbox, change.metric) == ("container", "startup_main_s")
    )


def test_a_slower_start_is_a_regression(synthetic: Synthetic) -> None:
    synthetic.blocks = 12
    found = compared(synthetic, slowed(synthetic, 1.2))
    assert found.comparable
    assert found.regressed
    assert [change.metric for change in found.regressions] == ["startup_main_s"]
    assert start(found).ratio is not None
    assert start(found).effect is Effect.WORSE


def test_a_faster_start_is_an_improvement(synthetic: Synthetic) -> None:
    synthetic.blocks = 12
    found = compared(synthetic, slowed(synthetic, 0.8))
    assert not found.regressed
    assert start(found).effect is Effect.BETTER


def test_more_throughput_is_better_and_less_is_worse(synthetic: Synthetic) -> None:
    rates = {"syscall": {**synthetic.rates["syscall"], "container": 400_000.0}}
    fewer = replace(synthetic, rates=rates, seed=3)
    assert compared(synthetic, fewer).regressed
    assert not compared(fewer, synthetic).regressed


def test_the_same_again_is_equal(synthetic: Synthetic) -> None:
    found = compared(synthetic, replace(synthetic, seed=11))
    assert not found.regressed
    assert start(found).effect is Effect.EQUAL


def test_a_real_change_below_the_threshold_is_no_regression(synthetic: Synthetic) -> None:
    calm = replace(synthetic, blocks=20, spread=0.002)
    found = compared(calm, slowed(calm, 1.03))
    assert start(found).effect is Effect.EQUAL
    assert compared(calm, slowed(calm, 1.03), threshold=0.01).regressed


def test_noise_is_inconclusive_not_equal(synthetic: Synthetic) -> None:
    noisy = replace(synthetic, spread=0.4)
    assert start(compared(noisy, replace(noisy, seed=12))).effect is Effect.INCONCLUSIVE


def test_too_few_blocks_judge_nothing(synthetic: Synthetic) -> None:
    few = replace(synthetic, blocks=4)
    found = start(compared(few, slowed(few, 2.0)))
    assert found.effect is Effect.INCONCLUSIVE
    assert "needs 6" in found.reason


def test_a_run_that_fails_entirely_is_worse(synthetic: Synthetic) -> None:
    broken = replace(synthetic, failing={("container", "startup_main_s"): set(range(8))})
    found = compared(synthetic, broken)
    assert found.regressed
    assert "all 8 attempts failed" in start(found).reason


def test_survivors_of_failures_judge_nothing(synthetic: Synthetic) -> None:
    shaky = replace(slowed(synthetic, 2), failing={("container", "startup_main_s"): {1, 2}})
    assert start(compared(synthetic, shaky)).effect is Effect.INCONCLUSIVE


def other(run: Run, **changed: Any) -> Run:
    """The run, with other things said of it."""
    return run._replace(info=msgspec.structs.replace(run.info, **changed))


def test_another_host_of_the_class_is_compared_and_told(synthetic: Synthetic) -> None:
    found = compared(synthetic, replace(synthetic, hostname="elsewhere"))
    assert found.comparable
    assert "Hostname differs: synthetic-host against elsewhere." in found.notes


def test_another_class_of_host_is_refused(synthetic: Synthetic) -> None:
    run = synthetic.build()
    host = {"identity": {**run.info.host["identity"], "cpus": 64}, "state": {}}
    found = reports.compare(run, other(run, host=host))
    assert not found.comparable
    assert not found.regressed
    assert not found.changes
    assert "cpus differs: 2 against 64" in found.reason
    assert reports.render_comparison(found, "text").startswith("not comparable: ")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"campaign": {"workloads": ["startup"], "settle_s": 0.3}}, "different workloads"),
        ({"campaign": {"workloads": ["startup", "syscall"], "settle_s": 0.0}}, "differ in settle"),
        ({"definitions": {"syscall": "other"}}, "different definitions of syscall"),
        ({"image": {"digest": "other"}}, "--images-equivalent"),
    ],
)
def test_what_was_not_measured_alike_is_refused(
    synthetic: Synthetic, changed: dict[str, Any], said: str
) -> None:
    plan = {"workloads": ["startup", "syscall"], "settle_s": 0.3, "seed": 1}
    base = other(synthetic.build(), campaign=plan, definitions={"syscall": "one"})
    found = reports.compare(base, other(base, **changed))
    assert not found.comparable
    assert said in found.reason


def test_images_may_be_stated_to_be_equivalent(synthetic: Synthetic) -> None:
    run = synthetic.build()
    rebuilt = other(run, image={**(run.info.image or {}), "digest": "sha256:other"})
    found = reports.compare(run, rebuilt, images_equivalent=True)
    assert found.comparable
    assert any("stated to be equivalent" in note for note in found.notes)


def test_what_slows_the_host_is_not_held_against_what_runs_on_it(synthetic: Synthetic) -> None:
    synthetic.sandboxes = ("native", "container")
    everything = {
        name: {step: 1.5 * value for step, value in steps.items()}
        for name, steps in synthetic.starts.items()
    }
    found = compared(synthetic, replace(synthetic, starts=everything, seed=9))
    assert not found.regressed
    assert start(found).by_native
    assert start(found).raw is not None
    assert start(found).raw.estimate == pytest.approx(1.5, rel=0.05)
    assert any("Native startup itself is 1." in note for note in found.notes)


def test_a_doubling_is_found_among_many_tied_metrics(synthetic: Synthetic) -> None:
    rates = {f"tool-{number}": {**RATES} for number in range(13)}
    tied = replace(synthetic, rates=rates, spread=0.0, sandboxes=("container",), blocks=10)
    half = {name: {**one, "container": 500.0} for name, one in rates.items() if name == "tool-3"}
    found = compared(tied, replace(tied, rates=rates | half))
    assert [one.workload for one in found.regressions] == ["tool-3"]


def test_what_too_few_blocks_cannot_find_is_said_first_and_is_no_pass(
    synthetic: Synthetic,
) -> None:
    few = replace(synthetic, blocks=6)
    found = compared(few, slowed(few, 2.0))
    assert found.entirely_blind
    assert reports.render_comparison(found, "text").startswith(
        "This comparison could not have found any change: with 6 blocks and "
    )
    assert ended(found, allow_inconclusive=True) == 5


def test_one_undecided_headline_among_equal_ones_is_no_pass(synthetic: Synthetic) -> None:
    noisy = replace(synthetic, blocks=12, spread=0.03)
    found = compared(noisy, replace(noisy, seed=9))
    assert {one.effect for one in found.changes} >= {Effect.EQUAL, Effect.INCONCLUSIVE}
    assert ended(found, allow_inconclusive=False) == 5
    assert ended(found, allow_inconclusive=True) == 0
    assert "undecided: " in reports.render_comparison(found, "text")


def test_another_accelerator_is_refused(synthetic: Synthetic) -> None:
    found = compared(synthetic, replace(synthetic, emulated=False))
    assert not found.comparable
    assert "accelerator" in found.reason


def test_an_opened_control_is_a_regression_without_any_test(synthetic: Synthetic) -> None:
    opened = replace(synthetic, controls={**synthetic.controls, "bpf": "open"})
    assert compared(synthetic, opened).regressed
    assert not compared(opened, synthetic).regressed


def test_a_new_leak_is_a_regression(synthetic: Synthetic) -> None:
    leaking = replace(synthetic, leaks={**synthetic.leaks, "kcore": ("shared-live", "absent")})
    found = compared(synthetic, leaking)
    assert found.regressed
    assert [(word.metric, word.effect) for word in found.words] == [("kcore", Effect.WORSE)]


def test_runs_of_other_sandboxes_are_refused(synthetic: Synthetic) -> None:
    found = compared(synthetic, replace(synthetic, sandboxes=("native", "container")))
    assert not found.comparable
    assert "container, native, vm against container, native" in found.reason


def test_a_sandbox_that_could_not_be_had_this_time_is_a_regression(synthetic: Synthetic) -> None:
    absent = replace(synthetic, sandboxes=("native", "container"), absent={"vm": "no QEMU"})
    assert ("vm", "startup") in compared(synthetic, absent).lost


def test_false_alarms_stay_rare(synthetic: Synthetic) -> None:
    alarms = sum(
        compared(
            replace(synthetic, seed=seed, spread=0.03), replace(synthetic, seed=seed + 50)
        ).regressed
        for seed in range(100, 104)
    )
    assert alarms == 0


def test_text_and_json_say_the_same(synthetic: Synthetic) -> None:
    synthetic.blocks = 12
    found = compared(synthetic, slowed(synthetic, 1.2))
    text = reports.render_comparison(found, "text")
    assert text.splitlines()[1].startswith("worse")
    assert text.splitlines()[-1].startswith("regressed: 1 worse")
    data = json.loads(reports.render_comparison(found, "json"))
    assert data["regressed"] is True
    assert data["comparable"] is True
    assert data["threshold"] == 0.05


@pytest.mark.parametrize("threshold", [0, -0.1])
def test_a_threshold_is_a_fraction(synthetic: Synthetic, threshold: float) -> None:
    with pytest.raises(ValueError, match="fraction"):
        compared(synthetic, synthetic, threshold)


def test_a_few_failures_rank_worst_and_do_not_make_a_run_better(synthetic: Synthetic) -> None:
    base = replace(synthetic, blocks=20)
    shaky = replace(base, seed=9, failing={("container", "startup_main_s"): {5, 11}})
    assert start(compared(base, shaky)).new.n == 18
    ratio = start(compared(base, shaky)).ratio
    assert ratio is not None
    assert ratio.n == 20
