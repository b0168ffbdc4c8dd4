"""Judge whether the application runs in a container as it does natively."""

from benchmarks.results import metrics
from benchmarks.results.records import SandboxInfo, Unit
from benchmarks.stats import estimators
from reports.claims import outlook
from reports.claims.contrast import Contrast, Outcome, Side, contrast
from reports.claims.difference import RATIO, untestable
from reports.claims.registry import judge, verdict
from reports.model.declaration import Claim
from reports.model.records import Judgement, Verdict
from reports.model.rundata import RunData
from reports.renderers import units

EQUIVALENCE = "equivalence: two one-sided tests, 90 % interval inside the margin"


@judge("no-extra-layer", tests=True)
def no_extra_layer(claim: Claim, data: RunData) -> Judgement:
    """Every workload's throughput in the container equals the native one within the margin."""
    container, native = data.sandbox("container"), data.sandbox("native")
    for kind, box in (("container", container), ("native", native)):
        if box is None:
            return untestable(claim, data, kind)
    assert container is not None
    assert native is not None
    factor, workloads = claim.factor or 0, _workloads(data)
    found = [
        _contrast(data, container, native, one, "in the container", factor) for one in workloads
    ]
    if not found:
        reason = "the run holds no workload with a throughput"
        return verdict(claim, Verdict.NOT_TESTABLE, EQUIVALENCE, reason)
    evidence = [one.evidence() for one in found]
    if vm := data.sandbox("vm"):
        inside = [_contrast(data, vm, native, one, "in the VM", factor) for one in workloads]
        evidence += [one.evidence(decides=False) for one in inside]
    by = {
        outcome: [one for one in found if one.outcome is outcome]
        for outcome in (Outcome.BELOW, Outcome.WITHIN, Outcome.ABOVE)
    }
    margin = units.percent(factor)
    equal = _by_family(claim, by[Outcome.WITHIN])
    same = f"; equal within {margin}: {equal}" if equal else ""
    fast = _faster(by[Outcome.ABOVE], margin)
    if by[Outcome.BELOW]:
        reason = "slower: " + _some([one.sentence for one in by[Outcome.BELOW]], "; ") + same
        p = _counterexample(claim, found, factor)
        reason += f"; {fast}" if fast else ""
        return verdict(claim, Verdict.REFUTED, RATIO, reason, *evidence, p=p)
    open_ones = [one for one in found if one.outcome in {Outcome.UNDECIDED, Outcome.UNUSABLE}]
    if open_ones:
        reason = "not decided: " + _some([one.sentence for one in open_ones], "; ") + same
        reason += f"; {fast}" if fast else ""
        reason += f". {outlook.outlook(data, open_ones, factor)}"
        return verdict(claim, Verdict.INCONCLUSIVE, EQUIVALENCE, reason, *evidence)
    if fast:
        reason = f"{fast}. No layer makes anything faster, so something else differs{same}"
        return verdict(claim, Verdict.INCONCLUSIVE, EQUIVALENCE, reason, *evidence)
    shown = [f"{one.above.workload} {units.ratio(one.effect)}" for one in found if one.effect]
    reason = f"throughput equals native within {margin}: {_some(shown, ', ', 6)}"
    p = max(one.p or 0.0 for one in found)
    return verdict(claim, Verdict.SUPPORTED, EQUIVALENCE, reason, *evidence, p=p)


def _counterexample(claim: Claim, found: list[Contrast], factor: float) -> float:
    """Return the p-value of "something is slower": Simes in a family, Bonferroni over families.

    Simes, Biometrika 73 (1986) 751: it holds where the tests depend on each other positively, as
    workloads do that exercise one part of one host.
    """
    families: dict[str, list[float]] = {}
    for one in found:
        p = estimators.p_below(one.pairs, 1 / (1 + factor)) if one.pairs else 1.0
        families.setdefault(_family(claim, one.above.workload), []).append(p)
    slower = {_family(claim, one.above.workload) for one in found if one.outcome is Outcome.BELOW}
    simes = {
        name: min(len(all_p) * p / rank for rank, p in enumerate(sorted(all_p), 1))
        for name, all_p in families.items()
    }
    return min(1.0, len(families) * min(simes[name] for name in slower))


def _family(claim: Claim, workload: str) -> str:
    return next((name for name, those in claim.families.items() if workload in those), workload)


def _by_family(claim: Claim, found: list[Contrast]) -> str:
    named: dict[str, list[str]] = {}
    for one in found:
        named.setdefault(_family(claim, one.above.workload), []).append(one.above.workload)
    shown = [
        f"{family} ({', '.join(those)})" if those != [family] else family
        for family, those in named.items()
    ]
    return _some(shown, ", ", 6)


def _faster(found: list[Contrast], margin: str) -> str:
    """Say what is faster by more than the margin; nothing where nothing is."""
    if not found:
        return ""
    return f"faster than natively by more than {margin}: {_some([o.sentence for o in found], '; ')}"


def _some(items: list[str], separator: str, most: int = 2) -> str:
    """Join a few items and count the others: all of them stand in the evidence."""
    left = len(items) - most
    return separator.join([*items[:most], *([f"and {left} more"] if left > 0 else [])])


def _contrast(  # noqa: PLR0917  # two sides of one workload
    data: RunData, box: SandboxInfo, native: SandboxInfo, workload: str, where: str, factor: float
) -> Contrast:
    above, below = (
        Side(one, workload, "throughput_per_s", Unit.PER_SECOND, name)
        for one, name in ((box, f"{workload} {where}"), (native, "natively"))
    )
    return contrast(data, above, below, factor)


def _workloads(data: RunData) -> list[str]:
    """Return the workloads with a throughput that run on one instance alone.

    One whose server is in another place goes over a network that the sandboxes do not share: a bare
    process reaches it over loopback, a container over a bridge. That says what the network costs,
    and not whether the application runs directly on the host.
    """
    rates = data.table[data.table["metric"] == "throughput_per_s"]
    alone = rates[~rates["parameters"].str.contains(f'"{metrics.PATH}"', regex=False)]
    return [str(name) for name in alone["workload"].unique()]
