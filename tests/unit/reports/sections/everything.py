"""A run with every section in it, made up: some of each sandbox worked, or all of it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from benchmarks.experiments.covert_channels import CHANNELS, Attempt
from benchmarks.experiments.interference import (
    AGGRESSORS,
    UNCHARGED,
    VICTIMS,
    Account,
    Interference,
    Ordeal,
)
from benchmarks.experiments.probes import Verdict
from benchmarks.experiments.surface import METHODS
from benchmarks.experiments.sweep import VERDICTS, FileFinding, Trait, totals
from benchmarks.results import metrics
from benchmarks.results.records import Sample, Status, Unit
from tests.unit.reports.conftest import Synthetic

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.results.runfolder import Run

WHY = "the guest did not answer within 60 s"
SANDBOXES = ("native", "container", "container:no-pid", "oci:runc", "podman:runc", "vm")
"""Every section has something to say of these."""

BUILT_IN = {
    metrics.IDLE: ("idle_cpu_s_per_s", Unit.SECONDS_PER_SECOND),
    metrics.DENSITY: ("density_slope_bytes", Unit.BYTES),
    metrics.PARALLEL: ("parallel_starts_per_s", Unit.PER_SECOND),
    metrics.COLD: ("cold_main_s", Unit.SECONDS),
    metrics.SMALLEST: ("smallest_ram_bytes", Unit.BYTES),
}


def everything(folder: Path, failed: frozenset[str] = frozenset()) -> Run:
    """Return a run in which everything was tried, and nothing worked in the sandboxes named."""
    (folder / "logs").mkdir()
    made = Synthetic(
        blocks=6,
        sandboxes=SANDBOXES,
        opened={"container:no-pid": {"processes"}},
        starts=_for_kinds(Synthetic().starts),
        memory=_for_kinds(Synthetic().memory),
        rates={"xz": {"native": 100.0, "container": 99.0, "oci": 98.0, "podman": 98.0, "vm": 80.0}},
    ).build(folder)
    boxes = [
        msgspec.structs.replace(
            box, details={"oci_runtime": "runc"} if box.kind == "podman" else {}
        )
        for box in made.info.sandboxes
    ]
    campaign = {
        **made.info.campaign,
        "reproduces": "felter2014",
        "workloads": ["startup", "memory", "xz"],
    }
    info = msgspec.structs.replace(made.info, sandboxes=tuple(boxes), campaign=campaign)
    made.samples.extend(sample for name in SANDBOXES for sample in _looked_at(name))
    _write(folder / "logs", failed)
    samples = [_failure(one) if one.sandbox in failed else one for one in made.samples]
    return made._replace(info=info, samples=samples)


def _for_kinds(table: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Give managers and runtimes the numbers of a container."""
    return {**table, "oci": table["container"], "podman": table["container"]}


def _looked_at(sandbox: str) -> list[Sample]:
    rows = [
        *((workload, metric, unit) for workload, (metric, unit) in BUILT_IN.items()),
        *((metrics.SWEEP, metric, Unit.COUNT) for metric in totals.TITLES),
        *((metrics.SURFACE, metric, Unit.COUNT) for metric in METHODS),
        (metrics.INTERFERENCE, UNCHARGED, Unit.SECONDS),
    ]
    return [
        Sample(
            run="synthetic",
            block=0,
            sandbox=sandbox,
            workload=workload,
            metric=metric,
            unit=unit,
            status=Status.OK,
            started_at=1.75e9,
            value=7.0,
            detail="seven of them",
            dimensions={"instances": "4"} if workload == metrics.PARALLEL else {},
        )
        for workload, metric, unit in rows
    ]


def _failure(sample: Sample) -> Sample:
    return msgspec.structs.replace(sample, status=Status.FAILED, value=None, text=None, detail=WHY)


def _write(logs: Path, failed: frozenset[str]) -> None:
    live = FileFinding(
        path="/proc/uptime",
        verdict=Verdict.SHARED_LIVE,
        evidence="host: 1; sandbox: 1",
        traits=(Trait.VARYING,),
    )
    masked = FileFinding(path="/proc/keys", verdict=Verdict.MASKED, evidence="host: 2")
    for name in SANDBOXES:
        broken = name in failed
        ends = {"sender": name, "receiver": name, "symbol_s": 0.01, "rate": 100.0}
        result = {"error": WHY} if broken else {"bits": 64, "wrong": 1, "busy": 0.5}
        tried = [Attempt(channel=one.name, **ends, **result) for one in CHANNELS]  # type: ignore[arg-type]
        (logs / f"channels-{name}-to-{name}.json".replace(":", ".")).write_bytes(
            msgspec.json.encode(tried)
        )
        found = Interference(
            ordeals=tuple(
                Ordeal(
                    sandbox=name,
                    victim=victim,
                    aggressor=against,
                    pairs=() if broken else ((9.0, 3.0),) * 6,
                    error=WHY if broken else None,
                )
                for victim in VICTIMS
                for against in AGGRESSORS
            ),
            accounts=tuple(
                Account(
                    sandbox=name,
                    aggressor=against,
                    charged_s=() if broken else (0.3,) * 6,
                    uncharged_s=() if broken else (0.1,) * 6,
                    round_s=0.8,
                    error=WHY if broken else None,
                )
                for against in AGGRESSORS
            ),
        )
        (logs / f"interference-{name}.json".replace(":", ".")).write_bytes(
            msgspec.json.encode(found)
        )
        if not broken:
            VERDICTS.write(logs, [live, masked] if name == "container" else [live], name)
