"""What one preset, workload, sandbox, probe, claim or metric is, and a command that uses it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from tare.catalogue import PROBED, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.experiments.base import Experiment
    from benchmarks.results.records import MetricInfo


class Details(NamedTuple):
    """What is said of one thing.

    Attributes:
        title: What it is, in a few words.
        facts: Label to text, in the order in which they are read; labels may repeat.
        example: A command line that uses it.
    """

    title: str
    facts: list[tuple[str, str]]
    example: str


def of(kind: str, name: str) -> Details:
    """Return what is known of something that ``catalogue.named`` names.

    Args:
        kind: ``preset``, ``experiment``, ``workload``, ``sandbox``, ``probe``, ``claim`` or
            ``metric``.
        name: Its name.
    """
    make = {
        "preset": _preset,
        "experiment": _experiment,
        "workload": _workload,
        "sandbox": _sandbox,
        "probe": _probe,
        "claim": _claim,
        "metric": _metric,
    }[kind]
    return make(name)


def _preset(name: str) -> Details:
    from benchmarks.campaign import config
    from benchmarks.campaign.estimate import estimate

    campaign = config.load(name)
    found = estimate(campaign)
    blocks = f"{campaign.blocks_min} to {campaign.blocks_max}, while {campaign.budget_s:g} s last"
    facts = [
        ("sandboxes", ", ".join(campaign.sandboxes)),
        ("workloads", ", ".join(campaign.workloads)),
        ("blocks", f"{blocks} or until ±{campaign.precision:.0%} is reached"),
        ("estimate", f"{found.seconds:.3g} s, and opening the sandboxes"),
        ("resources", f"{campaign.cpus} CPU, {campaign.memory_mib} MiB"),
    ]
    return Details(config.about(name), facts, f"tare run {name}")


def _experiment(name: str) -> Details:
    import msgspec

    from benchmarks.experiments import base

    kind = next(one for one in base.known() if name in one.workloads)
    keys = ", ".join(field.name for field in msgspec.structs.fields(kind.Options))
    facts = [
        ("when", kind.cadence.value),
        ("keys of a campaign", keys or "none of its own"),
        *(("metric", f"{one.metric}: {one.title}") for one in _catalogue(kind, name)),
    ]
    return Details(kind.title, facts, f"tare run quick -w {name}")


def _catalogue(kind: type[Experiment], name: str) -> Iterator[MetricInfo]:
    return (one for one in kind.catalogue() if one.workload == name and name not in PROBED)


def _workload(name: str) -> Details:
    from benchmarks import workloads

    workload = workloads.load(name)
    facts = [
        ("command", shlex.join(workload.command)),
        ("programs of the image", ", ".join(workload.needs) or "none that it names"),
        ("works for", f"{workload.seconds:g} s, and is given up after {workload.timeout_s:g} s"),
        *(("metric", f"{one.metric}: {one.title}") for one in workload.metrics()),
    ]
    return Details(workload.title, facts, f"tare run quick -w {name}")


def _sandbox(name: str) -> Details:
    from benchmarks import sandboxes
    from benchmarks.sandboxes.registry import HOST

    kind = sandboxes.find(name)
    facts = [
        ("isolation", _ISOLATION[kind.isolation]),
        ("limits", kind.enforcement(name)),
        ("network", kind.network or "none"),
        ("needs", ", ".join(kind.needs) or "nothing of the host"),
        ("start and stop", f"about {kind.estimate_s(name):g} s on two cores"),
        *(("cannot measure", f"{metric}: {why}") for metric, why in kind.lacks.items()),
    ]
    beside = "" if name == HOST else " -s native"
    return Details(kind.title, facts, f"tare run quick{beside} -s {name}")


_ISOLATION = {
    "none": "none: a process of the host",
    "container": "shares the host's kernel",
    "machine": "boots a kernel of its own",
    "simulated": "simulated: nothing runs, the figures are drawn",
}


def _probe(name: str) -> Details:
    import reports

    facts: list[tuple[str, str]] = []
    examples: list[str] = []
    for workload, option in PROBED.items():
        said = reports.explanations([workload]).get(name)
        if said is not None:
            facts.append((workload, said))
            examples.append(f"tare leaks {option}--explain {name}")
    return Details(named("probes")[name], facts, examples[0])


def _claim(name: str) -> Details:
    from reports.model.declaration import declared

    claim = next(one for one in declared().claim if one.id == name)
    facts = [
        ("claim", claim.statement),
        ("decided by", claim.margin),
        *(("question", f"{key}: {', '.join(found)}") for key, found in claim.families.items()),
    ]
    if claim.probes:
        facts.append(("probes", ", ".join(claim.probes)))
    return Details(claim.title, facts, "tare run full")


def _metric(name: str) -> Details:
    from benchmarks import workloads
    from benchmarks.experiments import base

    known = [one for one in base.catalogue() if one.workload not in PROBED]
    known += [one for each in workloads.names() for one in workloads.load(each).metrics()]
    found = [one for one in known if one.metric == name]
    facts = [
        ("unit", found[0].unit.value),
        ("better", found[0].direction.value),
        ("measured by", ", ".join(dict.fromkeys(one.workload for one in found))),
    ]
    return Details(named("metrics")[name], facts, f"tare run quick -w {found[0].workload}")
