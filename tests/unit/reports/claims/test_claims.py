from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pytest

import reports
from reports.claims.judge import judged as judge
from reports.model.declaration import declared
from reports.model.records import Judgement, Verdict
from reports.model.rundata import RunData

if TYPE_CHECKING:
    from tests.unit.reports.conftest import Synthetic


def judged(synthetic: Synthetic, claim: str) -> Judgement:
    found = judge(RunData(synthetic.build()))
    return next(one for one in found if one.id == claim)


def test_every_declared_claim_gets_a_verdict_in_the_declared_order(synthetic: Synthetic) -> None:
    found = reports.document(synthetic.build()).claims
    assert [one.id for one in found] == [claim.id for claim in declared().claim]
    assert len(found) == 8
    assert all(one.reason and one.rule and one.margin for one in found)


def test_under_emulation_the_vmm_alone_decides_the_start(synthetic: Synthetic) -> None:
    found = judged(synthetic, "starts-fast")
    assert found.verdict is Verdict.SUPPORTED_BOUND
    assert "bound" in found.rule
    whole = next(row for row in found.evidence if "whole start /" in row.observation)
    assert not whole.admissible
    assert not whole.decides


def test_a_bound_never_refutes(synthetic: Synthetic) -> None:
    synthetic.starts["vm"] |= {"spawned": 0.001, "ready": 0.002}
    found = judged(synthetic, "starts-fast")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "emulation" in found.reason


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [
        (2.9, Verdict.SUPPORTED),
        (0.004, Verdict.REFUTED),
        (0.0102, Verdict.EQUIVALENT),
        (0.0112, Verdict.INCONCLUSIVE),
    ],
)
def test_with_a_real_accelerator_the_whole_start_decides(
    synthetic: Synthetic, seconds: float, verdict: Verdict
) -> None:
    synthetic.emulated = False
    synthetic.starts["vm"]["main"] = seconds
    assert judged(synthetic, "starts-fast").verdict is verdict


def test_a_container_that_needs_seconds_refutes_by_itself(synthetic: Synthetic) -> None:
    synthetic.starts["container"]["main"] = 1.5
    found = judged(synthetic, "starts-fast")
    assert found.verdict is Verdict.REFUTED
    assert "1.5" in found.reason


@pytest.mark.parametrize("claim", ["starts-fast", "less-memory", "no-extra-layer"])
@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_five_blocks_decide_nothing(synthetic: Synthetic, claim: str, blocks: int) -> None:
    synthetic.blocks = blocks
    found = judged(synthetic, claim)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert f"{blocks} block" in found.reason


def test_six_blocks_that_agree_decide_despite_the_correction(synthetic: Synthetic) -> None:
    synthetic.blocks = 6
    found = judged(synthetic, "starts-fast")
    assert found.verdict is Verdict.SUPPORTED_BOUND
    assert found.p is not None
    assert 2**-6 < found.p <= 0.05


def test_many_failed_starts_decide_nothing(synthetic: Synthetic) -> None:
    synthetic.blocks = 12
    synthetic.failing = {("container", "startup_main_s"): {1, 4, 6}}
    found = judged(synthetic, "starts-fast")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "3 of 12" in found.reason


def test_one_failed_start_of_many_ranks_worst(synthetic: Synthetic) -> None:
    synthetic.blocks = 12
    synthetic.failing = {("container", "startup_main_s"): {4}}
    found = judged(synthetic, "starts-fast")
    assert found.verdict is Verdict.SUPPORTED_BOUND
    assert "12 blocks; 1 of 12 of container's whole start failed and rank worst" in found.reason


def test_memory_under_emulation_rests_on_the_guests_own_use(synthetic: Synthetic) -> None:
    found = judged(synthetic, "less-memory")
    assert found.verdict is Verdict.SUPPORTED_BOUND
    decisive = [row.observation for row in found.evidence if row.decides]
    assert decisive == ["memory held by the guest itself / the container's whole cgroup"]


COUNTS = ("uss_bytes", "pss_bytes", "cgroup_bytes")


@pytest.mark.parametrize(
    ("mib", "verdict"),
    [(190, Verdict.SUPPORTED), (0.2, Verdict.REFUTED), (1.1, Verdict.EQUIVALENT)],
)
def test_memory_with_a_real_accelerator(synthetic: Synthetic, mib: float, verdict: Verdict) -> None:
    synthetic.emulated = False
    synthetic.spread = 0.003
    synthetic.memory["container"] |= dict.fromkeys(COUNTS, 1.1)
    synthetic.memory["vm"] |= dict.fromkeys(COUNTS, mib)
    assert judged(synthetic, "less-memory").verdict is verdict


def test_the_larger_count_of_the_container_decides_with_an_admissible_vm(
    synthetic: Synthetic,
) -> None:
    synthetic.emulated = False
    synthetic.memory["vm"] |= dict.fromkeys(COUNTS, 0.8)
    found = judged(synthetic, "less-memory")  # more than the container's PSS, and below its cgroup
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the container's whole cgroup" in found.reason
    assert "the way of counting decides" in found.reason


def test_a_ratio_is_shown_with_the_range_that_counting_gives_it(synthetic: Synthetic) -> None:
    found = judged(synthetic, "less-memory")
    assert "by the ways there are to count, 40.7 to 98." in found.reason
    synthetic.memory["container"]["cgroup_bytes"] = synthetic.memory["container"]["pss_bytes"]
    del synthetic.memory["vm"]["guest_used_bytes"]
    assert "ways there are to count" not in judged(synthetic, "less-memory").reason


def test_what_only_the_reserve_of_the_guests_kernel_adds_is_no_evidence(
    synthetic: Synthetic,
) -> None:
    synthetic.memory["vm"] |= {"guest_used_bytes": 49, "guest_held_bytes": 1.1}
    assert judged(synthetic, "less-memory").verdict is Verdict.INCONCLUSIVE


def test_no_extra_layer_is_supported_by_equivalence(synthetic: Synthetic) -> None:
    found = judged(synthetic, "no-extra-layer")
    assert found.verdict is Verdict.SUPPORTED
    assert "equivalence" in found.rule


def test_one_slower_workload_refutes_and_the_equal_one_is_named(synthetic: Synthetic) -> None:
    synthetic.rates["syscall"]["container"] *= 0.7
    found = judged(synthetic, "no-extra-layer")
    assert found.verdict is Verdict.REFUTED
    assert "syscall in the container" in found.reason
    assert "equal within" in found.reason
    assert "sysbench-cpu" in found.reason


def test_noise_as_wide_as_the_margin_is_not_equality(synthetic: Synthetic) -> None:
    synthetic.spread = 0.15
    assert judged(synthetic, "no-extra-layer").verdict is Verdict.INCONCLUSIVE


def test_a_faster_container_is_said_to_be_and_no_proof_of_sameness(synthetic: Synthetic) -> None:
    synthetic.rates["syscall"]["container"] *= 1.3
    found = judged(synthetic, "no-extra-layer")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reason.startswith("Faster than natively by more than 5\xa0%: syscall in")
    assert "not decided" not in found.reason.lower()


def test_a_counterexample_pays_for_its_family_and_not_for_every_workload(
    synthetic: Synthetic,
) -> None:
    kernel = {"native": 1000.0, "container": 700.0, "vm": 9.0}
    names = ("syscall", "pipe", "context-switch", "fork-exec")
    synthetic.rates = {name: {**kernel} for name in names}
    together = judged(synthetic, "no-extra-layer")
    synthetic.rates = {name: {**kernel} for name in ("syscall", "disk-read", "web", "xz")}
    apart = judged(synthetic, "no-extra-layer")
    assert together.p is not None
    assert apart.p is not None
    assert together.p < apart.p


def test_emulated_throughput_is_shown_and_decides_nothing(synthetic: Synthetic) -> None:
    found = judged(synthetic, "no-extra-layer")
    inside = [row for row in found.evidence if "in the VM" in row.observation]
    assert len(inside) == 2
    assert not any(row.decides or row.admissible for row in inside)


@pytest.mark.parametrize("claim", ["starts-fast", "less-memory", "isolation-weaker"])
def test_without_a_vm_its_absence_is_the_reason(synthetic: Synthetic, claim: str) -> None:
    synthetic.sandboxes = ("native", "container")
    synthetic.absent = {"vm": "QEMU is not installed"}
    found = judged(synthetic, claim)
    assert found.verdict is Verdict.NOT_TESTABLE
    assert "QEMU is not installed" in found.reason


def test_the_kernel_is_shared_even_if_no_vm_can_be_asked(synthetic: Synthetic) -> None:
    synthetic.sandboxes = ("native", "container")
    assert judged(synthetic, "shared-kernel").verdict is Verdict.SUPPORTED


@pytest.mark.parametrize(
    ("read", "verdict"),
    [
        (("namespaced", "namespaced"), Verdict.REFUTED),
        (("masked", "namespaced"), Verdict.INCONCLUSIVE),
        (("shared-live", "shared-live"), Verdict.INCONCLUSIVE),
        ((None, None), Verdict.NOT_TESTABLE),
    ],
)
def test_kernel_identity_otherwise(
    synthetic: Synthetic, read: tuple[str | None, str | None], verdict: Verdict
) -> None:
    synthetic.leaks |= {"boot-id": read, "kernel": read}
    assert judged(synthetic, "shared-kernel").verdict is verdict


@pytest.mark.parametrize(
    ("leaks", "verdict"),
    [
        ({"boot-id": ("shared-live", "namespaced")}, Verdict.SUPPORTED),
        ({"boot-id": ("masked", "shared-live")}, Verdict.REFUTED),
        ({"crypto": ("shared-constant", "shared-constant")}, Verdict.EQUIVALENT),
        (
            {"boot-id": ("shared-live", "absent"), "tsc": ("absent", "shared-live")},
            Verdict.INCONCLUSIVE,
        ),
        ({"boot-id": ("shared-live", None)}, Verdict.NOT_TESTABLE),
        (
            {"boot-id": ("shared-live", "absent"), "tsc": (None, "absent")},
            Verdict.INCONCLUSIVE,
        ),
        # numbers that move, read once, and values that agree by custom confirm nothing
        ({"loadavg": ("shared-live", "absent")}, Verdict.INCONCLUSIVE),
        ({"loadavg": ("absent", "shared-live")}, Verdict.INCONCLUSIVE),
        ({"environment": ("absent", "shared-live")}, Verdict.INCONCLUSIVE),
        # ... and do not bring a confirmed leak down
        (
            {"boot-id": ("shared-live", "absent"), "loadavg": ("absent", "shared-live")},
            Verdict.SUPPORTED,
        ),
        (
            {"tsc": ("shared-live", "absent"), "environment": ("absent", "shared-live")},
            Verdict.SUPPORTED,
        ),
    ],
)
def test_isolation_weaker(
    synthetic: Synthetic,
    leaks: dict[str, tuple[str | None, str | None]],
    verdict: Verdict,
) -> None:
    synthetic.leaks = leaks
    assert judged(synthetic, "isolation-weaker").verdict is verdict


@pytest.mark.parametrize(
    ("controls", "verdict"),
    [
        ({"mount": "held", "bpf": "not-applicable"}, Verdict.SUPPORTED),
        ({"mount": "held", "bpf": "open"}, Verdict.REFUTED),
        ({"mount": "held", "bpf": None}, Verdict.INCONCLUSIVE),
        ({"mount": "not-applicable"}, Verdict.NOT_TESTABLE),
        ({}, Verdict.NOT_TESTABLE),
    ],
)
def test_isolation_strong_enough(
    synthetic: Synthetic, controls: dict[str, str | None], verdict: Verdict
) -> None:
    synthetic.controls = controls
    assert judged(synthetic, "isolation-strong-enough").verdict is verdict


def test_controls_of_another_profile_say_nothing_of_the_default(synthetic: Synthetic) -> None:
    synthetic.profile = "bare"
    assert judged(synthetic, "isolation-strong-enough").verdict is Verdict.NOT_TESTABLE


def test_same_environment(synthetic: Synthetic) -> None:
    assert judged(synthetic, "same-environment").verdict is Verdict.SUPPORTED
    synthetic.digests = {"vm": "00" * 32}
    assert judged(synthetic, "same-environment").verdict is Verdict.REFUTED
    synthetic.sandboxes = ("native",)
    assert judged(synthetic, "same-environment").verdict is Verdict.NOT_TESTABLE


def test_technologies_need_an_ablation(synthetic: Synthetic) -> None:
    assert judged(synthetic, "technologies").verdict is Verdict.NOT_TESTABLE


NAMED = ("pid", "uts", "mnt", "ipc", "net", "user", "cgroup")


def ablated(synthetic: Synthetic, *features: str) -> None:
    """Let the run switch these off, each opening a probe of its own."""
    variants = [f"container:no-{feature}" for feature in features]
    synthetic.sandboxes = ("container", *variants, "vm")
    synthetic.opened = {key: {"hostname"} for key in variants}


def test_a_feature_is_credited_with_what_opens_without_it(synthetic: Synthetic) -> None:
    ablated(synthetic, *NAMED)
    found = judged(synthetic, "technologies")
    assert found.verdict is Verdict.SUPPORTED
    shown = {row.observation: row.result for row in found.evidence}
    assert shown["without uts"] == "opens 1: hostname"
    assert any("start without pid" in observation for observation in shown)


def test_a_feature_without_a_probe_is_neither_credited_nor_refuted(synthetic: Synthetic) -> None:
    ablated(synthetic, *NAMED)
    del synthetic.opened["container:no-pid"]
    found = judged(synthetic, "technologies")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "without pid" in found.reason.lower()


def test_features_the_claim_does_not_name_are_context(synthetic: Synthetic) -> None:
    ablated(synthetic, *NAMED, "capabilities")
    del synthetic.opened["container:no-capabilities"]
    found = judged(synthetic, "technologies")
    assert found.verdict is Verdict.SUPPORTED
    row = next(row for row in found.evidence if row.observation == "without capabilities")
    assert not row.decides


def test_an_ablation_that_leaves_a_feature_out_decides_nothing(synthetic: Synthetic) -> None:
    ablated(synthetic, *NAMED[1:])
    found = judged(synthetic, "technologies")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "does not switch off pid" in found.reason


def test_variants_of_a_sandbox_do_not_stand_for_it(synthetic: Synthetic) -> None:
    synthetic.sandboxes = ("container:no-uts", "container", "vm")
    synthetic.opened = {"container:no-uts": set(synthetic.leaks)}
    found = judged(synthetic, "isolation-weaker")
    assert "1 of 9 probes are confirmed leaks in the container, 0 in the VM" in found.reason


def test_undecided_claims_still_count_as_tested(synthetic: Synthetic) -> None:
    synthetic.rates["syscall"]["container"] *= 1.3
    found = judged(synthetic, "starts-fast")
    synthetic.rates = {}
    alone = judged(synthetic, "starts-fast")
    assert found.p is not None
    assert alone.p is not None
    assert found.p > alone.p


def test_isolation_is_strong_by_the_number_of_ways_that_were_tried(synthetic: Synthetic) -> None:
    found = judged(synthetic, "isolation-strong-enough")
    assert found.reason == (
        "None of the 3 ways out that were tried is open; 1 more are not applicable."
    )


def test_a_leak_of_moving_numbers_is_confirmed_by_its_repetition(synthetic: Synthetic) -> None:
    synthetic.leaks = {"loadavg": ("shared-live", "namespaced")}
    run = synthetic.build()
    again = [
        msgspec.structs.replace(sample, block=1)
        for sample in run.samples
        if sample.workload == "leaks"
    ]
    found = judge(RunData(run._replace(samples=[*run.samples, *again])))
    assert next(o for o in found if o.id == "isolation-weaker").verdict is Verdict.SUPPORTED


def test_an_undecided_claim_says_what_it_could_have_shown_and_what_would_decide_it(
    synthetic: Synthetic,
) -> None:
    synthetic.spread = 0.1
    reason = judged(synthetic, "no-extra-layer").reason
    assert "This run could have shown a ratio of 1." in reason
    assert re.search(
        r"About \d+ blocks would decide it, in \d+ (s|min|h) or less: "
        r"`tare run quick -s native -s container( -w \S+)* --blocks \d+`",
        reason,
    )


def test_what_no_number_of_blocks_decides_is_said_to_need_an_accelerator(
    synthetic: Synthetic,
) -> None:
    synthetic.starts["vm"] |= {"spawned": 0.001, "ready": 0.002}
    assert "KVM accelerates would decide it" in judged(synthetic, "starts-fast").reason


def test_a_verdict_stands_without_flagged_samples_or_says_what_it_would_be(
    synthetic: Synthetic,
) -> None:
    synthetic.flagged_block = 3
    found = judged(synthetic, "starts-fast")
    assert found.evidence[-1].result == "the verdict stands"
    synthetic.blocks = 6
    shorter = judged(synthetic, "starts-fast")
    assert shorter.verdict is Verdict.SUPPORTED_BOUND
    assert shorter.evidence[-1].result.startswith("inconclusive: ")


def test_a_verdict_that_only_flagged_samples_carry_is_undecided(synthetic: Synthetic) -> None:
    synthetic.blocks = 20
    synthetic.emulated = False
    synthetic.starts["vm"]["main"] = 0.0102 * 0.7
    run = synthetic.build()
    samples = [
        msgspec.structs.replace(sample, flags=("steal",), value=(sample.value or 0) * 4)
        if (sample.sandbox, sample.metric) == ("vm", "startup_main_s") and sample.block < 14
        else sample
        for sample in run.samples
    ]
    samples += [msgspec.structs.replace(s, block=s.block + 20) for s in run.samples if s.block > 13]
    found = next(o for o in judge(RunData(run._replace(samples=samples))) if o.id == "starts-fast")
    assert found.verdict is not Verdict.SUPPORTED
