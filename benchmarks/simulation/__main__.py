"""Print the tables of docs/statistics.md.

``python -m benchmarks.simulation [--noise RUN]``
"""

import argparse
import sys
import time
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.simulation import tables
from benchmarks.simulation.coverage import coverage
from benchmarks.simulation.decisions import SIZES, alarms, power
from benchmarks.simulation.noise import assumed, shapes, steady
from benchmarks.simulation.observed import Observed, observe
from benchmarks.simulation.stopping import stopping
from benchmarks.simulation.turns import SIZES as ROUNDS
from benchmarks.simulation.turns import turns

_TABLES = ("coverage", "alarms", "power", "stopping", "turns")
_COMPARED = 3
"""Metrics that a comparison by turns judges at once."""
_SEED = 20140721
_ASSUMED = Observed([assumed()], blocks=25, judged=8)
"""Noise, blocks and judged metrics where no run is given: `tare run quick` with a fast VM."""


def main() -> int:
    """Run the simulations asked for and print their tables as Markdown."""
    options = _options()
    try:
        observed = _ASSUMED if options.noise is None else observe(options.noise)
    except BenchmarkError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    began = time.monotonic()
    sys.stdout.write(f"seed {options.seed}, {options.campaigns} campaigns a row\n\n")
    for table in options.tables or _TABLES:
        sys.stdout.write(f"{_run(table, observed, options.campaigns, options.seed)}\n\n")
        sys.stdout.flush()
    sys.stderr.write(f"took {time.monotonic() - began:.0f} s\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(_TABLES)}; all")
    parser.add_argument("--noise", type=Path, metavar="RUN", help="take the noise from this run")
    parser.add_argument("--campaigns", type=int, default=2000, help="simulated campaigns a row")
    parser.add_argument("--seed", type=int, default=_SEED)
    options = parser.parse_args()
    unknown = set(options.tables) - set(_TABLES)
    if unknown:
        parser.error(f"there is no table {min(unknown)!r}; tables are {', '.join(_TABLES)}")
    if options.campaigns < 1:
        parser.error("--campaigns must be at least 1")
    return options


def _run(table: str, host: Observed, campaigns: int, seed: int) -> str:
    if table == "coverage":
        return tables.coverage(coverage(shapes(), campaigns, seed))
    sizes = sorted({host.blocks, *SIZES})
    if table == "alarms":
        return tables.alarms(
            [alarms(noise, host.blocks, host.judged, campaigns, seed) for noise in host.noises],
            host.judged,
        )
    if table == "power":
        few = max(campaigns // 4, 1)  # a grid of sizes: a quarter each
        rows = [power(noise, n, host.judged, few, seed) for noise in host.noises for n in sizes]
        return tables.power(rows, host.blocks, host.judged)
    if table == "turns":
        rounds = [
            turns(noise, n, _COMPARED, campaigns, seed)
            for noise in {one.name: one for one in (host.noises[0], assumed())}.values()
            for n in ROUNDS
        ]
        return tables.turns(rounds, _COMPARED)
    few = max(campaigns // 4, 1)  # each is judged after every block
    noises = list({noise.name: noise for noise in (host.noises[0], assumed(), steady())}.values())
    return tables.stopping(
        [stopping(noise, precision, few, seed) for noise in noises for precision in (0.02, 0.05)]
    )


if __name__ == "__main__":
    sys.exit(main())
