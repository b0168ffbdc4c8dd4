"""Covert channels: a table of capacities, one line a channel, one column a pair of sandboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from benchmarks.experiments.covert_channels import (
    CHANNELS,
    PUBLISHED_IN,
    Attempt,
    capacity,
    read_attempts,
    said,
)
from benchmarks.results import metrics
from benchmarks.results.records import Status
from tare.leaks import grid

if TYPE_CHECKING:
    from benchmarks.results.runfolder import Run


def show(run: Run) -> None:
    """Print each pair's capacities in bit/s; below a bound where nothing was seen to arrive."""
    tried = read_attempts(run.path / "logs")
    if not tried:
        return
    pairs = list(dict.fromkeys((one.sender, one.receiver) for one in tried))
    cells = {(one.channel, one.sender, one.receiver): _cell(one) for one in tried}
    rows = [
        grid.Row(
            channel.name,
            (
                _range(channel.published),
                *(cells.get((channel.name, *pair), "") for pair in pairs),
            ),
        )
        for channel in CHANNELS
    ]
    heads = ("published", *(f"{sender}→{receiver}" for sender, receiver in pairs))
    grid.show("covert channel, bit/s", heads, rows, right=True)
    grid.say(f"<: nothing arrived, and no more could have; published: {PUBLISHED_IN}")
    for one in tried:
        if one.error is not None:
            click.echo(f"tare: {one.channel} {one.sender}→{one.receiver}: {one.error}", err=True)


def explain(run: Run, channel: str) -> None:
    """Print what one channel came to in each pair."""
    known = next(one for one in CHANNELS if one.name == channel)
    click.echo(f"{known.title}; {known.rate:g} bit/s are sent")
    for one in read_attempts(run.path / "logs"):
        if one.channel == channel:
            grid.say(f"{one.sender}→{one.receiver}: {said(one)}")


def rows(run: Run) -> list[dict[str, Any]]:
    """Return every attempt, for programs; ``open`` is a channel that carries."""
    return [_row(one) for one in read_attempts(run.path / "logs")]


def _row(one: Attempt) -> dict[str, Any]:
    found = capacity(one)
    word = None if found is None else ("open" if found.carries else "held")
    return {
        "sandbox": f"{one.sender}→{one.receiver}",
        "workload": metrics.CHANNELS,
        "probe": one.channel,
        "verdict": word,
        "status": (Status.FAILED if found is None else Status.OK).value,
        "evidence": said(one),
        "bits_per_s": None if found is None else found.bits_per_s,
        "low_bits_per_s": None if found is None else found.low,
        "high_bits_per_s": None if found is None else found.high,
        "band": None if found is None else found.band.value,
        "bits": one.bits,
        "wrong": one.wrong,
        "symbol_s": one.symbol_s,
        "busy": one.busy,
    }


def _cell(one: Attempt) -> str:
    found = capacity(one)
    if found is None:
        return "error"
    if one.closed is not None:
        return "closed"
    return _number(found.bits_per_s, 3) if found.carries else f"<{_number(found.high, 2)}"


def _number(value: float, digits: int) -> str:
    """Return a number with so many digits that say something, never in exponent form."""
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:.0f}" if rounded >= 10 ** (digits - 1) else f"{rounded:.{digits}g}"


def _range(published: tuple[float, float] | None) -> str:
    return "" if published is None else f"{published[0]:g}-{published[1]:g}"
