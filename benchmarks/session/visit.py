"""One visit: start a sandbox once, do what is done on that one instance, stop it.

Whatever goes wrong becomes the status of a sample; only a failing harness raises.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementError
from benchmarks.results import metrics
from benchmarks.sandboxes.base import Partial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.experiments.base import Context, Experiment
    from benchmarks.sandboxes.base import Instance, Sandbox


def visit(
    context: Context,
    repeated: Sequence[Experiment],
    once: Sequence[Experiment],
    *,
    until_ready: bool = False,
) -> None:
    """Carry one visit out and record it, failures included.

    A start that failed is always recorded, also where starts were not asked for. Whatever is left
    behind fails the stop, and flags everything else the visit measured.

    Args:
        context: Where; its instance is started here.
        repeated: What every visit does.
        once: What is done last, in the run's first block.
        until_ready: End the start where the instance is ready to boot.
    """
    record = context.record
    for one in repeated:
        one.prepare()
    try:
        instance = _started(context.sandbox, until_ready=until_ready)
    except MeasurementError as error:
        missed = (info for one in repeated for info in one.headlines())
        record.failed([metrics.READY if until_ready else metrics.MAIN, *missed], error)
        return
    context = replace(context, started=instance)
    failure: MeasurementError | None = None
    try:
        with instance:
            for one in (*_in_order(context, repeated), *once):
                one.run(context)
            instance.stop()
    except MeasurementError as error:
        failure = error
    if left := context.sandbox.leftovers():
        failure = MeasurementError(f"left behind on the host: {'; '.join(left)}")
        record.flag("leftover")
    if failure is not None:
        record.failed([metrics.STOP], failure)
        return
    for one in repeated:
        one.finish(context)


def _started(sandbox: Sandbox, *, until_ready: bool) -> Instance:
    if not until_ready:
        return sandbox.start()
    assert isinstance(sandbox, Partial)  # whoever asks has looked
    return sandbox.start_until_ready()


def _in_order(context: Context, repeated: Sequence[Experiment]) -> list[Experiment]:
    """Return those with a place of their own, then the others as drawn for this visit."""
    drawn = [one for one in repeated if one.drawn]
    order = random.Random(f"{context.seed}/{context.block}/{context.name}")  # noqa: S311  # not cryptography
    order.shuffle(drawn)
    return [*(one for one in repeated if not one.drawn), *drawn]
