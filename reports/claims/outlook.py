"""Say what an undecided run could have shown, and what would decide it.

An interval of n blocks shrinks with the square root of n. So what is missing between it and a bound
tells how many blocks more there would have to be, at the precision that this run had: an order of
magnitude to plan with, and no promise.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.campaign import config
from benchmarks.results.records import SandboxInfo
from benchmarks.stats import estimators
from reports.claims import worst
from reports.claims.contrast import Contrast, Outcome
from reports.model.declaration import declared
from reports.model.rundata import RunData
from reports.renderers import units

_NARROWER = 0.84
"""The 90 % interval, by which equality is shown, over the 95 % interval (normal quantiles)."""
_MOST_BLOCKS = 20_000
_NO_ACCELERATOR = "a host whose KVM accelerates would decide it; `tare doctor` says what is missing"


class Need(NamedTuple):
    """What one undecided contrast could have shown, and what it needs.

    Attributes:
        detectable: Smallest ratio above 1 that this precision could have told from the margin; None
            where there was no interval.
        blocks: Blocks that would decide it; None where no sensible number does.
    """

    detectable: float | None
    blocks: int | None


def need(found: Contrast, factor: float) -> Need:
    """Return what an undecided contrast needs."""
    effect, margin = found.effect, math.log1p(factor)
    if effect is None or not effect.low or not effect.high or not effect.estimate:
        return Need(None, estimators.fewest() if found.outcome is Outcome.UNUSABLE else None)
    half = math.log(effect.high / effect.low) / 2
    beyond = abs(math.log(effect.estimate)) - margin
    wanted = half if beyond > 0 else _NARROWER * half
    more = math.ceil(effect.n * (wanted / beyond) ** 2) if beyond else _MOST_BLOCKS + 1
    blocks = max(more, effect.n + 1)
    return Need((1 + factor) * math.exp(half), blocks if blocks <= _MOST_BLOCKS else None)


def outlook(data: RunData, found: Iterable[Contrast], factor: float) -> str:
    """Say in sentences what undecided contrasts could have shown and what would decide them all."""
    undecided = list(found)
    if obstacle := _obstacle(data, undecided):
        return obstacle
    needs = [need(one, factor) for one in undecided]
    seen = [one.detectable for one in needs if one.detectable is not None]
    could = ""
    if seen:
        most = units.digits(max(seen))
        could = f"This run could have shown a ratio of {most}{units.TIMES} or more. "
    if any(one.blocks is None for one in needs):
        return f"{could}The ratio lies so near the margin that no sensible number of blocks decides"
    blocks = max((one.blocks or 0 for one in needs), default=0)
    boxes = {side.sandbox.name: side.sandbox for c in undecided for side in (c.above, c.below)}
    workloads = dict.fromkeys(side.workload for c in undecided for side in (c.above, c.below))
    return could + _asked_for(data, blocks, boxes, list(workloads))


def _obstacle(data: RunData, undecided: Iterable[Contrast]) -> str:
    """Say what more blocks would not mend."""
    for one in undecided:
        if one.outcome is not Outcome.UNUSABLE:
            continue
        for side in (one.above, one.below):
            rows = side.rows(data)
            good, bad = len(side.values(data)), len(worst.failed(rows))
            if not good + bad:
                return f"A run with the workload {side.workload} would be needed"
            if bad > declared().rules.most_failed * (good + bad):
                return "What failed has to be mended first"
    return ""


def more_evidence(data: RunData, p: float, blocks: int, family: int) -> str:
    """Say how many blocks a p-value needs that the correction for several claims undid."""
    level = estimators.ALPHA / family
    wanted = blocks + 1 if not 0 < p < 1 else math.ceil(blocks * math.log(level) / math.log(p))
    return _asked_for(data, max(wanted, blocks + 1), {}, [])


def no_accelerator() -> str:
    """Say what decides where emulation left nothing that does."""
    return _NO_ACCELERATOR


def _asked_for(
    data: RunData, blocks: int, boxes: dict[str, SandboxInfo], workloads: list[str]
) -> str:
    command = f"`{_command(data, blocks, list(boxes), workloads)}`"
    seconds = blocks * _block_seconds(data, set(boxes) or set(data.names))
    if not seconds:
        return f"About {blocks} blocks would decide it: {command}"
    return f"About {blocks} blocks would decide it, in {_time(seconds)} or less: {command}"


def _command(data: RunData, blocks: int, boxes: list[str], workloads: list[str]) -> str:
    name = str(data.info.campaign.get("name", ""))
    preset = config.load(name) if name in config.presets() else None
    words = ["tare run", name if preset else f"{name}.toml"]
    if boxes and not (preset and set(boxes) == set(preset.sandboxes)):
        words += [f"-s {one}" for one in data.names if one in boxes]
    if workloads and not (preset and set(workloads) == set(preset.workloads)):
        words += [f"-w {one}" for one in workloads]
    return " ".join([*words, f"--blocks {blocks}"])


def _block_seconds(data: RunData, names: set[str]) -> float:
    """Return the wall time of a block of these sandboxes, from the median of each one's visits."""
    taken: dict[tuple[str, str], dict[int, float]] = {}
    for visit in data.run.visits:
        if visit.sandbox in names:
            of_part = taken.setdefault((visit.sandbox, visit.part), {})
            of_part[visit.block] = of_part.get(visit.block, 0.0) + visit.seconds
    every_block = [list(one.values()) for one in taken.values() if len(one) > data.blocks // 2]
    return sum(sorted(one)[len(one) // 2] for one in every_block)


def _time(seconds: float) -> str:
    if seconds < 120:  # noqa: PLR2004  # two minutes
        return f"{math.ceil(seconds)} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 180 else f"{math.ceil(minutes / 60)} h"  # noqa: PLR2004
