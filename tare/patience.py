"""Wait for a host that another campaign is measuring."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import click

from benchmarks.errors import RunLockedError

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_S = 2.0


def patiently[Taken](
    take: Callable[[], Taken], patience_s: float, note: Callable[[str], None]
) -> Taken:
    """Return what is taken, once no other campaign runs.

    Args:
        take: Measures; it raises before anything is measured where another campaign runs.
        patience_s: How long to try again, in seconds.
        note: Told once what is waited for.

    Raises:
        RunLockedError: Another campaign ran for longer than that.
    """
    asked = time.monotonic()
    said = ""
    while True:
        try:
            return take()
        except RunLockedError as error:
            left_s = asked + patience_s - time.monotonic()
            if left_s <= 0:
                raise
            if said != (said := str(error)):
                note(f"waiting: {said}")
            time.sleep(min(_LOOK_S, left_s))


class WaitingCommand(click.Command):
    """A command whose ``--wait`` may stand without a number, also before an argument."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give each ``--wait`` that no number follows an endless one."""
        behind = [*args, ""][1:]
        given = [
            f"--wait={math.inf}" if word == "--wait" and not _is_number(following) else word
            for word, following in zip(args, behind, strict=True)
        ]
        return super().parse_args(ctx, given)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
