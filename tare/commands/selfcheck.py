"""``tare selfcheck``: see how often this host makes equal things look different."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from benchmarks.campaign import config as campaigns
from benchmarks.errors import UnsuitableHostError
from benchmarks.results import metrics
from tare import completion, images
from tare.errors import ExitCode
from tare.measure import measure_run, passing_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.campaign.config import Campaign
    from benchmarks.campaign.schedule import Stop
    from benchmarks.results.records import Sample
    from benchmarks.simulation.aa import Rate, Verdict
    from benchmarks.simulation.replay import Replay

_MOST_STARTS = 100_000
_NEVER = 1e-9
_WORDS = {"kept": "kept", "broken": "BROKEN", "cannot tell": "cannot tell"}
_SAID = {
    "interval": "95 % interval of the ratio leaves 1 out",
    "claim": "a claim with a margin of 5 % is decided",
    "compare": "`tare compare` sees a change",
}


@click.command("selfcheck")
@click.option(
    "--sandbox",
    "-s",
    default="container",
    show_default=True,
    shell_complete=completion.sandboxes,
    help="What to start.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=45.0,
    show_default=True,
    help="Wall time in which a start may begin.",
)
@click.option("--starts", type=click.IntRange(min=1), help="Start exactly so often instead.")
@click.option(
    "--blocks",
    type=click.IntRange(min=6),
    default=10,
    show_default=True,
    help="Blocks of one A/A campaign.",
)
@images.option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    *,
    sandbox: str,
    seconds: float,
    starts: int | None,
    blocks: int,
    image: str | None,
    as_json: bool,
) -> int:
    """Compare a sandbox with itself and count how often a difference is seen.

    The sandbox is started over and over, its starts are cut into small A/A campaigns, and the
    rules of `tare report` and `tare compare` judge each of them. Each promise is kept, broken, or
    the starts cannot tell. Ends with 4 where one is broken, that is, wrong more often than promised
    beyond chance: then this host is too unsteady to be believed. Ends with 5 where none is broken
    and one cannot be told.
    """
    from benchmarks.simulation import aa
    from benchmarks.simulation.replay import replay

    chosen = campaigns.load(
        "startup",
        sandboxes=(sandbox,),
        workloads=(metrics.STARTUP,),
        blocks_min=starts or 1,
        blocks_max=starts or _MOST_STARTS,
        budget_s=seconds,
        precision=_NEVER,
        settle_s=0.0,
    )
    taken = _measured(chosen, image)
    found, stopped = aa.judge(taken, blocks, chosen.seed), replay(taken)
    if not found.interval.of:
        raise UnsuitableHostError(
            f"only {found.starts} starts were possible, one A/A campaign needs {2 * blocks}; "
            "give more --seconds",
        )
    show = _as_json if as_json else _as_text
    click.echo(show(sandbox, blocks, found, stopped))
    answers = {getattr(found, name).answer for name in _SAID}
    if aa.Answer.BROKEN in answers:
        return ExitCode.UNSUITABLE
    return ExitCode.INCONCLUSIVE if aa.Answer.OPEN in answers else ExitCode.OK


class _Quiet:
    """Says only what a reader must know: hundreds of starts need no line each."""

    def opened(self, sandboxes: Sequence[str], absent: Mapping[str, str]) -> None:
        del absent
        click.echo(f"starting {', '.join(sandboxes)} over and over …", err=True)

    def beginning(self, number: int, expected: int) -> None:
        pass

    def visiting(self, block: int, sandbox: str, remaining_s: float) -> None:
        pass

    def visited(self, samples: Sequence[Sample]) -> None:
        pass

    def stopped(self, stop: Stop) -> None:
        pass

    def note(self, line: str) -> None:
        click.echo(line, err=True)


def _measured(campaign: Campaign, image: str | None) -> list[float]:
    with passing_run() as folder:
        samples = measure_run(campaign, folder, _Quiet(), image=image).samples
    return [s.value for s in samples if s.metric == "startup_main_s" and s.value is not None]


def _as_json(sandbox: str, blocks: int, found: Verdict, stopped: Replay | None) -> str:
    low, median, high = found.median[:3]
    return json.dumps(
        {
            "sandbox": sandbox,
            "starts": found.starts,
            "blocks": blocks,
            "median_start_s": median,
            "median_start_interval_s": [low, high],
            "variance_inflation": found.inflation,
            "warm_up_starts": found.warm_up,
            "false_positives": {
                name: asdict(getattr(found, name)) | {"answer": getattr(found, name).answer}
                for name in _SAID
            },
            "stopping": None if stopped is None else asdict(stopped),
        },
        indent=2,
    )


def _as_text(sandbox: str, blocks: int, found: Verdict, stopped: Replay | None) -> str:
    low, median, high = (1000 * (end or 0.0) for end in found.median[:3])
    warm = f"the first {found.warm_up} are a warm-up" if found.warm_up else "no warm-up found"
    shown = f"median {median:.2f} ms ({low:.2f} to {high:.2f})"
    lines = [
        f"{found.starts} starts of {sandbox}: {shown}, {warm}",
        f"autocorrelation inflates the variance of the median {found.inflation:.1f} times",
        "",
        f"of A/A campaigns with {blocks} blocks, in which nothing differs:",
        *(f"  {_line(said, getattr(found, name))}" for name, said in _SAID.items()),
        *_would_tell(found, blocks),
        "",
        *_side_by_side(stopped),
    ]
    return "\n".join(lines)


def _side_by_side(stopped: Replay | None) -> list[str]:
    """Lay stopping at a precision beside a fixed number of repetitions."""
    if stopped is None:
        return ["too few starts to lay stopping at a precision beside a fixed design"]
    width = stopped.precision_fixed
    fixed = "no interval" if width is None else f"±{width:.1%}"
    early = f"{stopped.starts:.0f} starts on average, {stopped.wall:.2f} of the fixed design's time"
    return [
        "to know the median start to ±2 %, or with a fixed number of repetitions:",
        f"  stops at ±2 % after {early}",
        f"  (it got there in {stopped.reached} of {stopped.series} series of 200)",
        f"  fixed: {stopped.fixed} starts, which reach {fixed}",
    ]


def _line(said: str, rate: Rate) -> str:
    share = f"{rate.count} of {rate.of} ({rate.low:.1%} to {rate.high:.1%})"
    return f"{said:42} {share:26} {_WORDS[rate.answer]}: at most {rate.expected:.0%}"


def _would_tell(found: Verdict, blocks: int) -> list[str]:
    """Say how many starts would tell what these cannot."""
    still = [getattr(found, name) for name in _SAID]
    needs = [rate.needed for rate in still if rate.answer == "cannot tell"]
    known = [need for need in needs if need is not None]
    if not needs:
        return []
    if len(known) < len(needs):
        return ["no number of starts would tell all of it: a rate is just about what was promised"]
    return [f"{2 * blocks * max(known)} starts would tell all of it (--starts)"]
