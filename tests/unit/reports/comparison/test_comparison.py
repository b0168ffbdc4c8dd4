from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import reports
from reports.comparison.changes import Change, Comparison, Effect

if TYPE_CHECKING:
    from tests.unit.reports.conftest import Synthetic


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
    found = compared(synthetic, slowed(synthetic, 1.2))
    assert found.comparable
    assert found.regressed
    assert [change.metric for change in found.regressions] == ["startup_main_s"]
    assert start(found).ratio is not None
    assert start(found).effect is Effect.WORSE


def test_a_faster_start_is_an_improvement(synthetic: Synthetic) -> None:
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


def test_another_host_is_refused(synthetic: Synthetic) -> None:
    found = compared(synthetic, replace(synthetic, hostname="elsewhere"))
    assert not found.comparable
    assert not found.regressed
    assert not found.changes
    assert "elsewhere" in found.reason
    assert reports.render_comparison(found, "text").startswith("not comparable: ")


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


def test_a_sandbox_that_is_gone_is_noted(synthetic: Synthetic) -> None:
    found = compared(synthetic, replace(synthetic, sandboxes=("native", "container")))
    assert any(note.startswith("vm is in the base run only") for note in found.notes)


def test_false_alarms_stay_rare(synthetic: Synthetic) -> None:
    alarms = sum(
        compared(
            replace(synthetic, seed=seed, spread=0.03), replace(synthetic, seed=seed + 50)
        ).regressed
        for seed in range(100, 104)
    )
    assert alarms == 0


def test_text_and_json_say_the_same(synthetic: Synthetic) -> None:
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
