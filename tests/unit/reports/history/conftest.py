"""Made histories: folders of synthetic runs with planted changes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import pytest

from benchmarks.results import runfolder
from benchmarks.results.journal import encode
from tests.unit.reports.conftest import Synthetic

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400.0
START = "container startup startup_main_s"
SYSCALL = "container syscall throughput_per_s"


@dataclass
class Made:
    """Writes runs, a day apart; every one has an effect of its own of 1 %."""

    folder: Path
    effect: float = 0.01
    count: int = 0
    kernel: str = "6.18.5"
    workloads: tuple[str, ...] = ("syscall", "sysbench-cpu")
    failing: dict[tuple[str, str], set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(16)

    def runs(
        self,
        count: int,
        *,
        start: float = 1.0,
        rate: float = 1.0,
        host: float = 1.0,
        calls: float = 1.0,
        commit: str | None = None,
    ) -> list[str]:
        """Write some runs, and return what they are called.

        Args:
            count: How many.
            start: Factor of the container's start.
            rate: Factor of the container's rate of system calls.
            host: Factor of all times on the host.
            calls: Factor of every sandbox's rate of system calls.
            commit: What they say they measured; a number is put behind it.
        """
        names = []
        for _ in range(count):
            name = f"run-{self.count:03}"
            made = Synthetic(
                blocks=4,
                seed=self.count + 1,
                sandboxes=("native", "container"),
                failing=self.failing,
            )
            made.rates = {one: made.rates[one] for one in self.workloads}
            made.leaks, made.controls = {}, {}
            for times in made.starts.values():
                for step in times:
                    times[step] *= host
            for rates in made.rates.values():
                for sandbox in rates:
                    rates[sandbox] /= host * self._random.lognormvariate(0, self.effect)
            made.starts["container"]["main"] *= start * self._random.lognormvariate(0, self.effect)
            made.rates["syscall"]["container"] *= rate * calls
            made.rates["syscall"]["native"] *= calls
            run = made.build()
            identity = {**run.info.host["identity"], "kernel_release": self.kernel}
            info = msgspec.structs.replace(
                run.info,
                run=name,
                created_at=1.75e9 + self.count * DAY,
                host={**run.info.host, "identity": identity},
                commit=None if commit is None else f"{commit}{self.count:03x}",
            )
            runfolder.create(self.folder / name, info)
            lines, at = b"", 0
            for visit in run.visits:
                lines += encode(run.samples[at : at + visit.samples], visit)
                at += visit.samples
            (self.folder / name / "samples.jsonl").write_bytes(lines)
            self.count += 1
            names.append(name)
        return names


@pytest.fixture
def made(tmp_path: Path) -> Made:
    folder = tmp_path / "runs"
    folder.mkdir()
    return Made(folder)
