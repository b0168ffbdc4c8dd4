"""Judge the technologies: what opens when one of them is switched off.

A run holds an ablation where it has the container in its default profile and variants whose
profile is ``no-`` and the name of what they lack. The cost of each in time stands beside, as
context: a start that gets faster without a feature says nothing about isolation.
"""

from collections.abc import Mapping, Sequence

from benchmarks.results import metrics
from benchmarks.results.records import SandboxInfo, Unit
from reports.claims.contrast import Side, contrast
from reports.claims.exposure import Exposed, exposed, without
from reports.claims.registry import judge, verdict
from reports.model.declaration import Claim
from reports.model.records import Evidence, Judgement, Verdict
from reports.model.rundata import RunData

_ABLATION = "ablation: what leaks or stands open without a feature and not with it"


@judge("technologies")
def technologies(claim: Claim, data: RunData) -> Judgement:
    """Each feature that is switched off opens something that is closed with it."""
    whole = data.sandbox("container")
    variants = without(data)
    if whole is None or whole.profile != "default" or not variants:
        reason = "the run switches no single feature off; `tare run ablation` does"
        return verdict(claim, Verdict.NOT_TESTABLE, "needs an ablation", reason)
    with_it = exposed(data.words, whole.name)
    evidence: list[Evidence] = []
    opened: dict[str, list[str] | None] = {}
    for feature, box in variants.items():
        opened[feature] = _opened(with_it, exposed(data.words, box.name))
        evidence += _shown(feature, opened[feature], decides=feature in claim.features)
        evidence += _cost(data, box, whole, feature)
    doubt = _doubt(claim.features, opened)
    if doubt is not None:
        return verdict(claim, Verdict.INCONCLUSIVE, _ABLATION, doubt, *evidence)
    count = len(claim.features)
    reason = f"each of the {count} features named, switched off, opens something it had closed"
    return verdict(claim, Verdict.SUPPORTED, _ABLATION, reason, *evidence)


def _doubt(features: Sequence[str], opened: Mapping[str, list[str] | None]) -> str | None:
    """Say what keeps the claim undecided, or None."""
    if lacking := [name for name in features if name not in opened]:
        return f"the run does not switch off {', '.join(lacking)}"
    if unread := [name for name in features if opened[name] is None]:
        return f"no probe was read without {', '.join(unread)}"
    if silent := [name for name in features if not opened[name]]:
        # Probes can show that a feature closes something, never that it closes nothing.
        return (
            f"without {', '.join(silent)} nothing opens: either the others cover for it or no "
            "probe asks"
        )
    return None


def _opened(with_it: Exposed, without_it: Exposed) -> list[str] | None:
    """Return what is exposed only without the feature; None where nothing was read in both."""
    both = with_it.keys() & without_it.keys()
    if not both:
        return None
    return [
        probe
        for workload, probe in without_it
        if (workload, probe) in both
        and without_it[workload, probe]
        and not with_it[workload, probe]
    ]


def _shown(feature: str, opened: list[str] | None, *, decides: bool) -> list[Evidence]:
    if opened is None:
        result = "no probe was read"
    else:
        result = f"opens {len(opened)}" + (f": {', '.join(opened)}" if opened else "")
    return [Evidence(observation=f"without {feature}", result=result, decides=decides)]


def _cost(data: RunData, box: SandboxInfo, whole: SandboxInfo, feature: str) -> list[Evidence]:
    """Show what the feature costs a start, where enough blocks were measured to say so."""
    without_it, with_it = (
        Side(one, metrics.STARTUP, "startup_main_s", Unit.SECONDS, name)
        for one, name in ((box, f"start without {feature}"), (whole, "with it"))
    )
    if without_it.trouble(data) or with_it.trouble(data):
        return []
    return [contrast(data, without_it, with_it, 0.0).evidence(decides=False)]
