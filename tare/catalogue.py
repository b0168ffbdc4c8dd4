"""What there is to name, by kind: each name with a title, for ``tare list`` and completion."""

from __future__ import annotations

from benchmarks.results import metrics

KINDS = {
    "presets": "preset",
    "experiments": "experiment",
    "workloads": "workload",
    "sandboxes": "sandbox",
    "probes": "probe",
    "claims": "claim",
    "metrics": "metric",
}
"""What `tare list` calls each kind, to what `tare show` calls one of it."""

IN_CAMPAIGNS = ("presets", "experiments", "workloads", "sandboxes")
"""Kinds that a campaign or the command line of `tare run` names."""

PROBED = {
    metrics.LEAKS: "",
    metrics.CONTROLS: "",
    metrics.SURFACE: "--surface ",
    metrics.CHANNELS: "--channels ",
}
"""Experiments that consist of probes, and the option with which `tare leaks` explains one."""


def named(what: str) -> dict[str, str]:
    """Return the names of a kind, each with what it stands for.

    Args:
        what: One of ``KINDS``.
    """
    found: dict[str, str] = {
        "presets": _presets,
        "experiments": _experiments,
        "workloads": _workloads,
        "sandboxes": _sandboxes,
        "probes": _probes,
        "claims": _claims,
        "metrics": _metrics,
    }[what]()
    return found


def _presets() -> dict[str, str]:
    from benchmarks.campaign import config

    return {name: config.about(name) for name in config.presets()}


def _experiments() -> dict[str, str]:
    from benchmarks.experiments import base as experiments

    return {name: kind.title for kind in experiments.known() for name in kind.workloads}


def _workloads() -> dict[str, str]:
    from benchmarks import workloads

    return {name: workloads.load(name).title for name in workloads.names()}


def _sandboxes() -> dict[str, str]:
    from benchmarks import sandboxes

    return {name: kind.title for kind in sandboxes.all_kinds() for name in kind.names}


def _claims() -> dict[str, str]:
    from reports.model.declaration import declared

    return {claim.id: claim.title for claim in declared().claim}


def _probes() -> dict[str, str]:
    from benchmarks.experiments import base as experiments

    catalogue = {(one.workload, one.metric): one.title for one in experiments.catalogue()}
    titles: dict[str, str] = {}
    for (workload, probe), title in catalogue.items():
        if workload in PROBED:
            titles.setdefault(probe, title)
    return titles


def _metrics() -> dict[str, str]:
    """Return the metrics that are numbers or words of a measurement; a probe's is the probe."""
    from benchmarks import workloads
    from benchmarks.experiments import base as experiments

    found: dict[str, str] = {}
    for one in experiments.catalogue():
        if one.workload not in PROBED:
            found.setdefault(one.metric, one.title)
    for name in workloads.names():
        workload = workloads.load(name)
        for one in workload.metrics():
            title = one.title.removeprefix(f"{workload.title}: ").partition(" (")[0]
            found.setdefault(one.metric, title)
    return found
