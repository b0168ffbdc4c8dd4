"""Measure what a history of very many runs takes.

``python -m reports.history.scale [--runs N] [--series N]``

Makes up an index of that many runs and has ``tare history`` judge it in a process of its own,
twice: with nothing known but the runs' values, and again. Reading a run for the first time is not
in it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.results.records import Direction, Unit
from reports.history.collect import FORMAT, INDEX, Index, Row, stamp
from reports.history.kinds import METHOD, Facts, Kind

_SEED = 20260616
_MEBIBYTE = 1 << 20


def make(folder: Path, runs: int, series: int) -> None:
    """Write an index of made-up runs, and of each run as much as its stamp needs."""
    rng = np.random.default_rng(_SEED)
    kinds = [
        Kind(
            sandbox=f"made-up-{place % 4}",
            workload=f"load-{place // 4}",
            metric="seconds",
            parameters="{}",
            method="made-up",
            title="made up",
            unit=Unit.SECONDS,
            direction=Direction.LOWER,
            by_native=False,
            role="judged",
        )
        for place in range(series)
    ]
    logs = 0.01 * rng.standard_normal((runs, series))
    for place in range(series):  # a change every thousand runs or so, up and down
        for at in rng.integers(0, runs, max(1, runs // 1000)):
            logs[at:, place] += rng.choice([-0.04, 0.04])
    codes = np.arange(series, dtype=np.int32).tobytes()
    rows = []
    for run in range(runs):
        one = folder / f"run-{run:06}"
        one.mkdir()
        (one / "run.json").write_text("{}")
        values = np.repeat(np.exp(logs[run]), 3).tobytes()
        rows.append(
            Row(
                one.name,
                stamp(one),
                one.name,
                1e9 + 3600.0 * run,
                codes=codes,
                values=values,
                failed=bytes(series),
            )
        )
    index = Index((FORMAT, METHOD), kinds, [Facts({"cpus": 1}, {}, {})], rows)
    (folder / INDEX).write_bytes(msgspec.msgpack.encode(index))


def look(folder: Path, *more: str) -> tuple[float, float, int]:
    """Return wall and CPU time of ``tare history`` in seconds, its largest resident set in bytes.

    Raises:
        OSError: It ended with something else than a verdict.
    """
    args = [sys.executable, "-m", "tare", "history", str(folder), *more]
    began = time.monotonic()
    nowhere = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    pid = os.posix_spawn(sys.executable, args, os.environ, file_actions=[nowhere])
    _, status, used = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in {0, 3, 5}:
        raise OSError(f"tare history ended with {code}")
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss << 10


def main() -> int:
    """Make up, look twice, and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m reports.history.scale")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--series", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tare-history-") as name:
        folder = Path(name)
        make(folder, options.runs, options.series)
        page = str(folder / "page.html")
        for what, more in (("first", ()), ("second", ()), ("page", ("--html", page))):
            seconds, cpu_s, peak = look(folder, *more)
            sys.stdout.write(
                f"{what} look: {seconds:.1f} s ({cpu_s:.1f} s of CPU), "
                f"at most {peak / _MEBIBYTE:.0f} MiB\n"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
