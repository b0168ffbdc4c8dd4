"""Synthetic runs for the tests of the reports: seeded numbers, never results of a measurement."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmarks.experiments import base as experiments
from benchmarks.results.journal import Visit
from benchmarks.results.records import (
    SCHEMA_VERSION,
    Direction,
    MetricInfo,
    Resources,
    RunInfo,
    Sample,
    SandboxInfo,
    Status,
    Unit,
)
from benchmarks.results.runfolder import Run

MIB = 2**20
DIGEST = "3f0c" * 16

STARTS = {
    "native": {"spawned": 0.0006, "main": 0.0011},
    "container": {"spawned": 0.0019, "ready": 0.0087, "main": 0.0102},
    "vm": {"spawned": 0.31, "ready": 0.84, "kernel": 1.4, "init": 2.3, "main": 2.9},
}
MEMORY = {
    "native": {"uss_bytes": 0.2, "pss_bytes": 0.4, "rss_bytes": 1.3},
    "container": {"uss_bytes": 0.2, "pss_bytes": 0.5, "rss_bytes": 1.9, "cgroup_bytes": 1.1},
    "vm": {
        "uss_bytes": 182,
        "pss_bytes": 190,
        "rss_bytes": 204,
        "cgroup_bytes": 196,
        "vmm_bytes": 71,
        "guest_ram_bytes": 128,
        "guest_used_bytes": 49,
        "guest_held_bytes": 45,
    },
}
PROCESSES = {"native": 1, "container": 2, "vm": 1}
RATES = {
    "sysbench-cpu": {"native": 1250.0, "container": 1249.0, "vm": 93.0},
    "syscall": {"native": 610_000.0, "container": 607_000.0, "vm": 41_000.0},
}
LEAKS = {
    "boot-id": ("shared-live", "namespaced"),
    "kernel": ("shared-live", "namespaced"),
    "meminfo": ("shared-live", "namespaced"),
    "loadavg": ("shared-live", "namespaced"),
    "crypto": ("shared-constant", "shared-constant"),
    "hostname": ("namespaced", "namespaced"),
    "processes": ("namespaced", "namespaced"),
    "kcore": ("masked", "absent"),
    "kmsg": ("denied", "namespaced"),
}
CONTROLS = {"mount": "held", "unshare": "held", "bpf": "held", "block-device": "not-applicable"}


@dataclass
class Synthetic:
    """Builds a run whose every number is invented; change the fields, then ``build``."""

    blocks: int = 8
    seed: int = 7
    sandboxes: tuple[str, ...] = ("native", "container", "vm")
    emulated: bool = True
    hostname: str = "synthetic-host"
    starts: dict[str, dict[str, float]] = field(default_factory=lambda: _copy(STARTS))
    memory: dict[str, dict[str, float]] = field(default_factory=lambda: _copy(MEMORY))
    rates: dict[str, dict[str, float]] = field(default_factory=lambda: _copy(RATES))
    leaks: dict[str, tuple[str | None, str | None]] = field(default_factory=lambda: {**LEAKS})
    controls: dict[str, str | None] = field(default_factory=lambda: {**CONTROLS})
    digests: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    failing: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    profile: str = "default"
    opened: dict[str, set[str]] = field(default_factory=dict)
    spread: float = 0.01
    flagged_block: int | None = None

    def build(self, path: Path = Path("/nowhere/synthetic-run")) -> Run:
        self._random = random.Random(self.seed)
        samples: list[Sample] = []
        visits = []
        for block in range(self.blocks):
            order = list(self.sandboxes)
            self._random.shuffle(order)
            for sandbox in order:
                taken = self._visit(block, sandbox)
                samples += taken
                visits.append(
                    Visit(block=block, sandbox=sandbox, samples=len(taken), seconds=2.0),
                )
        return Run(path, self._info(), samples, visits, 0)

    def _visit(self, block: int, sandbox: str) -> list[Sample]:
        taken = []
        kind = sandbox.partition(":")[0]
        shared = self._random.lognormvariate(0, self.spread)
        for step, seconds in self.starts[kind].items():
            name = f"startup_{step}_s"
            taken.append(self._number(block, sandbox, "startup", name, "s", seconds * shared))
        stop = 0.2 if kind == "vm" else 0.001
        taken.append(self._number(block, sandbox, "startup", "stop_s", "s", stop))
        for name, size in self.memory[kind].items():
            taken.append(self._number(block, sandbox, "memory", name, "bytes", size * MIB))
        count = float(PROCESSES.get(kind, 2))
        taken.append(
            self._number(block, sandbox, "memory", "processes", "count", count, exact=True)
        )
        for workload, rates in self.rates.items():
            rate = rates[kind]
            taken += [
                self._number(block, sandbox, workload, "throughput_per_s", "1/s", rate),
                self._number(block, sandbox, workload, "host_cpu_s", "s", 1.0),
                self._number(block, sandbox, workload, "host_cpu_s_per_event", "s/event", 1 / rate),
            ]
        digest = self.digests.get(sandbox, DIGEST)
        taken.append(self._word(block, sandbox, "checksum", "sha256", digest, None))
        if block == 0:
            taken += self._probes(sandbox, kind)
        return taken

    def _probes(self, sandbox: str, kind: str) -> list[Sample]:
        if kind == "native":
            return []
        side = 0 if kind == "container" else 1
        taken = [
            self._word(
                0,
                sandbox,
                "leaks",
                probe,
                "shared-live" if probe in self.opened.get(sandbox, set()) else words[side],
                f"host: a; sandbox: {probe}",
            )
            for probe, words in self.leaks.items()
        ]
        if kind == "container":
            taken += [
                self._word(0, sandbox, "controls", control, word, "EPERM")
                for control, word in self.controls.items()
            ]
        return taken

    def _number(  # noqa: PLR0917  # one line a sample reads best
        self,
        block: int,
        sandbox: str,
        workload: str,
        metric: str,
        unit: str,
        value: float,
        *,
        exact: bool = False,
    ) -> Sample:
        fails = block in self.failing.get((sandbox, metric), set())
        noise = 1.0 if exact else self._random.lognormvariate(0, self.spread)
        return self._sample(
            block,
            sandbox,
            workload,
            metric,
            unit=Unit(unit),
            status=Status.FAILED if fails else Status.OK,
            value=None if fails else value * noise,
            detail="the payload's first byte did not come within 60 s" if fails else None,
        )

    def _word(  # noqa: PLR0917  # one line a sample reads best
        self,
        block: int,
        sandbox: str,
        workload: str,
        metric: str,
        word: str | None,
        detail: str | None,
    ) -> Sample:
        return self._sample(
            block,
            sandbox,
            workload,
            metric,
            unit=Unit.WORD,
            status=Status.FAILED if word is None else Status.OK,
            text=word,
            detail=detail,
        )

    def _sample(self, block: int, sandbox: str, workload: str, metric: str, **more: Any) -> Sample:
        return Sample(
            run="synthetic",
            block=block,
            sandbox=sandbox,
            workload=workload,
            metric=metric,
            started_at=1.75e9 + block,
            flags=("steal",) if block == self.flagged_block else (),
            dimensions={"position": "0"},
            **more,
        )

    def _info(self) -> RunInfo:
        boxes = []
        for name in self.sandboxes:
            kind = name.partition(":")[0]
            boxes.append(
                SandboxInfo(
                    name=name,
                    kind=kind,
                    profile=name.partition(":")[2] or ("tuned" if kind == "vm" else self.profile),
                    admissible_cpu=not (kind == "vm" and self.emulated),
                    accelerator=("tcg" if self.emulated else "kvm") if kind == "vm" else None,
                    boundaries=tuple(self.starts[kind]),
                    caveats=("the guest's clock is not used",) if kind == "vm" else (),
                ),
            )
        loads = [
            MetricInfo(
                workload=workload,
                metric=metric,
                unit=unit,
                direction=direction,
                title=f"{workload}: {words}",
            )
            for workload in self.rates
            for metric, unit, direction, words in (
                ("throughput_per_s", Unit.PER_SECOND, Direction.HIGHER, "events per second"),
                ("host_cpu_s", Unit.SECONDS, Direction.LOWER, "host CPU time"),
                (
                    "host_cpu_s_per_event",
                    Unit.SECONDS_PER_EVENT,
                    Direction.LOWER,
                    "host CPU time per event",
                ),
            )
        ]
        return RunInfo(
            schema=SCHEMA_VERSION,
            run="synthetic",
            created_at=1.75e9,
            tare_version="0.0.0-synthetic",
            campaign={"name": "quick", "blocks_min": self.blocks, "budget_s": 100},
            seed=self.seed,
            host={
                "identity": {
                    "hostname": self.hostname,
                    "kernel_release": "6.18.5",
                    "architecture": "x86_64",
                    "cpu_model": "Invented CPU @ 3.00GHz",
                    "cpus": 2,
                    "memory_bytes": 24 * 2**30,
                    "cgroup_mode": "hybrid",
                    "virtualised": True,
                },
                "state": {"ksm": True, "loadavg": "0.30 0.20 0.10 1/200 4711"},
            },
            image={
                "digest": "sha256:" + "ab" * 32,
                "kernel_release": "6.12.57+deb13-cloud-amd64",
                "size_bytes": 180 * MIB,
                "packages": {"sysbench": "1.0.20"},
            },
            resources=Resources(
                cpus=1,
                cpuset=(1,),
                memory_bytes=512 * MIB,
                enforced={
                    "native": "affinity of the spawner; no memory limit of its own",
                    "container": "cpuset and memory cgroup",
                    "vm": "one vCPU pinned to the CPU; guest RAM",
                },
            ),
            sandboxes=tuple(boxes),
            absent=self.absent,
            metrics=(*experiments.catalogue(), *loads),
            harness={
                "clock_resolution_s": 4.1e-8,
                "null_command_s": 0.00092,
                "memory_read_s": 0.0021,
            },
            tools={"qemu-system-x86_64": "QEMU emulator version 10.0.6", "scipy": "1.18.1"},
        )


def _copy(table: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    return {key: {**inner} for key, inner in table.items()}


@pytest.fixture
def synthetic() -> Synthetic:
    return Synthetic()
