"""Measure how often a history alarms for nothing, and how soon it finds what is planted.

``python -m reports.history.simulation [--tries N] [--series N]``

Made-up series are judged after every new run by what ``tare history`` itself calls. Every run has
an effect of its own on each series, beside which the medians of its blocks are exact; the rows say
its size and its kind. An alarm for nothing is counted once, with the run that brings it. With
``--write FILE`` series with and without a change are written for other detectors (see
``scripts/other-detectors``), and ``--read FILE`` lays beside ours what those found.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.results.records import Direction, Unit
from benchmarks.stats.estimators import CONFIDENCE
from reports.history import changepoints
from reports.history.assemble import assemble
from reports.history.collect import Collected, Row
from reports.history.kinds import Facts, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from reports.history.records import History

SEED = 20260616
THRESHOLD = 0.02
_BEFORE = 40
"""Runs that there are before the first new one."""
_NEW = 100
_SHIFT = 0.05
_SOON, _LATER = 3, 5
_LENGTH, _AT = 100, 60
_NEAR = 3

type Draw = Callable[[np.random.Generator, int, int], NDArray[np.float64]]


class Effect(NamedTuple):
    """What runs do to a series by themselves.

    Attributes:
        name: It in words.
        draw: Draws (series, runs) logarithms.
    """

    name: str
    draw: Draw


def effects() -> list[Effect]:
    """Return the between-run effects of the table."""
    return [
        *(Effect(f"normal, {sigma} %", _normal(sigma / 100)) for sigma in (1, 2, 3)),
        Effect("heavy tails (t, 3 degrees), 1 %", _tails(0.01)),
        Effect("one run in 20 is 10 % off, 1 %", _outliers(0.01)),
        Effect("AR(1), phi 0.3, 1 %", _dependent(0.01, 0.3)),
        Effect("AR(1), phi 0.6, 1 %", _dependent(0.01, 0.6)),
    ]


def _normal(sigma: float) -> Draw:
    return lambda rng, series, runs: sigma * rng.standard_normal((series, runs))


def _tails(sigma: float) -> Draw:
    return lambda rng, series, runs: sigma / 3**0.5 * rng.standard_t(3, (series, runs))


def _outliers(sigma: float) -> Draw:
    def draw(rng: np.random.Generator, series: int, runs: int) -> NDArray[np.float64]:
        far = (rng.random((series, runs)) < 1 / 20) * rng.choice([-0.1, 0.1], (series, runs))
        return np.asarray(sigma * rng.standard_normal((series, runs)) + far)

    return draw


def _dependent(sigma: float, phi: float) -> Draw:
    def draw(rng: np.random.Generator, series: int, runs: int) -> NDArray[np.float64]:
        steps = rng.standard_normal((series, runs))
        for run in range(1, runs):
            steps[:, run] = phi * steps[:, run - 1] + (1 - phi**2) ** 0.5 * steps[:, run]
        return sigma * steps

    return draw


def history(logs: NDArray[np.float64]) -> History:
    """Return the history of made-up series, (series, runs) logarithms of their values."""
    series, runs = logs.shape
    kinds = [
        Kind(
            sandbox="made-up",
            workload=f"load-{place}",
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
    codes = np.arange(series, dtype=np.int32).tobytes()
    failed = bytes(series)
    rows = [
        Row(
            str(run),
            (),
            str(run),
            float(run),
            codes=codes,
            values=np.repeat(np.exp(logs[:, run]), 3).tobytes(),
            failed=failed,
        )
        for run in range(runs)
    ]
    facts = [Facts({"cpus": 1}, {}, {})]
    return assemble(Collected(rows, [""] * runs, kinds, facts, []), THRESHOLD)


def _alarmed(logs: NDArray[np.float64]) -> set[str]:
    return {one.workload for one, _ in history(logs).alarms}


def nothing(effect: Effect, series: int, tries: int) -> tuple[int, int]:
    """Return alarms for nothing, and the new runs in which they could have come."""
    alarms = 0
    for number in range(tries):
        rng = np.random.default_rng([SEED, number])
        logs = effect.draw(rng, series, _BEFORE + _NEW)
        before = _alarmed(logs[:, :_BEFORE])
        for runs in range(_BEFORE + 1, _BEFORE + _NEW + 1):
            now = _alarmed(logs[:, :runs])
            alarms += len(now - before)
            before = now
    return alarms, tries * _NEW


def planted(effect: Effect, series: int, tries: int, most: int = 20) -> list[int]:
    """Return how many new runs a planted change of one series took to be found; more is most."""
    found = []
    for number in range(tries):
        rng = np.random.default_rng([SEED, 1, number])
        logs = effect.draw(rng, series, _BEFORE + most)
        logs[0, _BEFORE:] += np.log1p(_SHIFT)
        for new in range(1, most):
            if "load-0" in _alarmed(logs[:, : _BEFORE + new]):
                found.append(new)
                break
        else:
            found.append(most)
    return found


def interval(hits: int, tries: int) -> tuple[float, float]:
    """Return the exact interval of a share (Clopper and Pearson, Biometrika 26 (1934) 404)."""
    from scipy.special import betaincinv

    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(hits, tries - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, tries - hits, 1 - tail)) if hits < tries else 1.0
    return low, high


def comparison() -> list[tuple[str, Effect, NDArray[np.float64]]]:
    """Return the series that other detectors are given: with nothing and with a change."""
    found = []
    for effect in effects():
        rng = np.random.default_rng([SEED, 2])
        quiet = effect.draw(rng, 200, _LENGTH)
        changed = effect.draw(rng, 200, _LENGTH)
        changed[:, _AT:] += np.log1p(_SHIFT)
        found += [("nothing", effect, quiet), ("5 % at 60", effect, changed)]
    return found


def _score(places: Sequence[Sequence[int]], what: str) -> str:
    """Say how many series have a false change, or the planted one and no other."""
    if what == "nothing":
        return f"{sum(map(len, places)) / len(places):.3f} false a series"
    near = [[at for at in one if abs(at - _AT) <= _NEAR] for one in places]
    hit = sum(bool(one) for one in near) / len(places)
    more = sum(len(one) - bool(of) for one, of in zip(places, near, strict=True))
    return f"{hit:.0%} found, {more / len(places):.3f} false a series"


def _ours(logs: NDArray[np.float64]) -> list[list[int]]:
    return [[one.at for one in found] for found in changepoints.find(list(logs))]


def main() -> int:
    """Simulate, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m reports.history.simulation")
    parser.add_argument("--tries", type=int, default=20, help="histories of each row")
    parser.add_argument("--series", type=int, default=24, help="series of each history")
    parser.add_argument("--write", type=Path, help="write series for other detectors and end")
    parser.add_argument("--read", type=Path, help="what other detectors found in them")
    options = parser.parse_args()
    if options.write:
        rows = [np.exp(logs).tolist() for _, _, logs in comparison()]
        options.write.write_text(json.dumps(rows))
        return 0
    if options.read:
        _beside(json.loads(options.read.read_text()))
        return 0
    sys.stdout.write(
        f"{options.series} series, {_BEFORE} runs before, {options.tries} histories a row\n"
        "effect | alarms for nothing in 100 new runs | 5 % found within 3 | within 5 | median\n"
    )
    for effect in effects():
        began = time.monotonic()
        alarms, new = nothing(effect, options.series, options.tries)
        low, high = interval(alarms, new)
        runs = planted(effect, options.series, 5 * options.tries)
        soon, later = (sum(one <= most for one in runs) for most in (_SOON, _LATER))
        sys.stdout.write(
            f"{effect.name} | {100 * alarms / new:.2f} ({100 * low:.2f} to {100 * high:.2f}, "
            f"{alarms} in {new}) | {soon / len(runs):.0%} | {later / len(runs):.0%} | "
            f"{np.median(runs):g} runs ({time.monotonic() - began:.0f} s)\n"
        )
        sys.stdout.flush()
    return 0


def _beside(others: dict[str, list[list[list[int]]]]) -> None:
    for place, (what, effect, logs) in enumerate(comparison()):
        sys.stdout.write(f"{effect.name}, {what}: ours {_score(_ours(logs), what)}")
        for name, found in others.items():
            sys.stdout.write(f"; {name} {_score(found[place], what)}")
        sys.stdout.write("\n")


if __name__ == "__main__":
    sys.exit(main())
