"""Measure how run folders and campaigns scale with the number of samples.

``python -m benchmarks.simulation.folder [--samples N]``

Writes a run folder of made-up samples, has ``tare report`` load, summarise and report it in a
process of its own, and says what that took; then says what a sample costs a campaign of the fake
sandbox that has taken none, a tenth as many and as many before. The folder says that its numbers
are made up.
"""

import argparse
import contextlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.campaign import config
from benchmarks.campaign.schedule import Stop
from benchmarks.experiments import base as experiments
from benchmarks.results import metrics, runfolder
from benchmarks.results.journal import Visit, encode
from benchmarks.results.records import (
    SCHEMA_VERSION,
    Resources,
    RunInfo,
    Sample,
    SandboxInfo,
    Status,
    Unit,
)
from benchmarks.session.measure import measure

_SANDBOXES = ("fake", "fake:slow", "fake:broken")
_BUILT_IN = (metrics.STARTUP, metrics.MEMORY)
_WORKLOADS = 6
_FORMATS = ("html", "md", "json", "csv")
_MEBIBYTE = 1 << 20


class Cost(NamedTuple):
    """What a process took: wall and CPU time in seconds, its largest resident set in bytes."""

    seconds: float
    cpu_s: float
    peak_bytes: int


def write(path: Path, samples: int, seed: int) -> None:
    """Write a run folder of about that many samples, 20 and more a visit."""
    built_in = [info for info in experiments.catalogue() if info.workload in _BUILT_IN]
    info = RunInfo(
        schema=SCHEMA_VERSION,
        run="made-up",
        created_at=0.0,
        tare_version="0",
        campaign={"name": "made-up", "workloads": list(_BUILT_IN)},
        seed=seed,
        host={"identity": {"hostname": "made-up"}},
        image=None,
        resources=Resources(cpus=1, cpuset=(0,), memory_bytes=512 << 20),
        sandboxes=tuple(
            SandboxInfo(name=name, kind="fake", profile="plain", caveats=("made up",))
            for name in _SANDBOXES
        ),
        metrics=tuple(built_in),
    )
    runfolder.create(path, info)
    noise = random.Random(seed)
    rates = [(f"load-{number}", "throughput_per_s") for number in range(_WORKLOADS)]
    written, block = 0, 0
    with (path / "samples.jsonl").open("wb") as file:
        while written < samples:
            for position, name in enumerate(_SANDBOXES):
                taken = [
                    _sample(block, position, name, workload, metric, unit, noise)
                    for workload, metric, unit in (
                        *((one.workload, one.metric, one.unit) for one in built_in),
                        *((*rate, Unit.PER_SECOND) for rate in rates),
                    )
                ]
                closing = Visit(block=block, sandbox=name, samples=len(taken), seconds=1.0)
                file.write(encode(taken, closing))
                written += len(taken)
            block += 1


def _sample(  # noqa: PLR0917  # one short line a sample
    block: int,
    position: int,
    sandbox: str,
    workload: str,
    metric: str,
    unit: Unit,
    noise: random.Random,
) -> Sample:
    return Sample(
        run="made-up",
        block=block,
        sandbox=sandbox,
        workload=workload,
        metric=metric,
        unit=unit,
        status=Status.OK,
        started_at=float(block),
        value=noise.lognormvariate(0.0, 0.1),
        dimensions={"position": str(position)},
    )


def report(path: Path, form: str) -> Cost:
    """Have ``tare report`` make a report in a process of its own.

    Raises:
        OSError: It did not end well.
    """
    out = path / f"out.{form}"
    args = [sys.executable, "-m", "tare", "report", str(path), "--format", form, "--out", str(out)]
    began = time.monotonic()
    pid = os.posix_spawn(sys.executable, args, os.environ)
    _, status, used = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise OSError(f"tare report ended with status {os.waitstatus_to_exitcode(status)}")
    return Cost(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss << 10)


class _Enough(Exception):  # noqa: N818  # no error: the way out of a campaign
    """As many visits were timed as asked for."""


class _Counted:
    """Counts samples from the first visit on, and ends a campaign after some."""

    def __init__(self, visits: int) -> None:
        """Have that many visits made."""
        self._left = visits
        self.samples = 0
        self.began_s = 0.0

    def note(self, line: str) -> None:
        """Nothing is built."""

    def opened(self, sandboxes: Sequence[str], absent: Mapping[str, str]) -> None:
        """Nothing to note."""

    def beginning(self, number: int, expected: int) -> None:
        """Nothing to note."""

    def visiting(self, block: int, sandbox: str, remaining_s: float) -> None:
        """Begin to count with the first visit."""
        del block, sandbox, remaining_s
        self.began_s = self.began_s or time.process_time()
        if not self._left:
            raise _Enough
        self._left -= 1

    def visited(self, samples: Sequence[Sample]) -> None:
        """Count."""
        self.samples += len(samples)

    def stopped(self, stop: Stop) -> None:
        """Nothing to note: it does not stop by itself."""


def cost_after(folder: Path, taken: int, visits: int = 400) -> float:
    """Return a sample's CPU time in seconds in a campaign that has taken so many samples before.

    The campaign of the fake sandbox is begun, its journal lengthened by copies of its own visits,
    and resumed; reading the journal is not counted.
    """
    plan = config.convert(
        {
            "name": "made-up",
            "sandboxes": ("fake", "fake:slow"),
            "workloads": ("startup", "sysbench-cpu"),
            "blocks_min": 10**8,
            "blocks_max": 10**8,
            "budget_s": 1e9,
        }
    )
    out = folder / f"taken-{taken}"

    def go_on(visits: int, *, resume: bool) -> _Counted:
        counted = _Counted(visits)
        with contextlib.suppress(_Enough):
            measure(
                plan,
                out,
                image=None,
                state=folder / "state",
                tare_version="0",
                observer=counted,
                resume=resume,
            )
        return counted

    go_on(20, resume=False)
    content = runfolder.load(out)
    last = content.visits[-1].block
    first = [sample for sample in content.samples if sample.block == last]
    with (out / "samples.jsonl").open("ab") as file:
        for block in range(last + 1, last + 1 + taken // len(first)):
            for visit in content.visits[-2:]:
                own = [
                    msgspec.structs.replace(sample, block=block)
                    for sample in first
                    if sample.sandbox == visit.sandbox
                ]
                file.write(encode(own, msgspec.structs.replace(visit, block=block)))
    counted = go_on(visits, resume=True)
    return (time.process_time() - counted.began_s) / counted.samples


def main() -> int:
    """Write, report, and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation.folder")
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=20140721)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tare-folder-") as name:
        path = Path(name) / "big"
        write(path, options.samples, options.seed)
        size = (path / "samples.jsonl").stat().st_size / _MEBIBYTE
        sys.stdout.write(f"{options.samples} samples, {size:.0f} MiB\n")
        for form in _FORMATS:
            cost = report(path, form)
            peak = cost.peak_bytes / _MEBIBYTE
            sys.stdout.write(
                f"report {form}: {cost.seconds:.1f} s ({cost.cpu_s:.1f} s of CPU), "
                f"at most {peak:.0f} MiB\n",
            )
            sys.stdout.flush()
        for taken in (0, options.samples // 10, options.samples):
            each = 1e6 * cost_after(Path(name), taken)
            sys.stdout.write(f"a sample after {taken} others: {each:.0f} µs of CPU\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
