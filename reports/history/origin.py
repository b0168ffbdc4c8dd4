"""Know the commits between two: asked of whoever has the repository."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.history.kinds import Kind

_MOST = 50


class Origin(NamedTuple):
    """Where commits come from.

    Attributes:
        between: Returns the commits behind the first up to the last, oldest first; none where it
            does not know them. None where nobody can be asked.
    """

    between: Callable[[str, str], list[str]] | None

    def unmeasured(self, good: str, bad: str, measured: set[str]) -> tuple[str, ...]:
        """Return the commits between two that no run has measured."""
        if self.between is None:
            return ()
        found = [one for one in self.between(good, bad) if one != bad and one not in measured]
        return tuple(found[:_MOST])


def bisect(good: str, bad: str, kind: Kind) -> str:
    """Return the commands that find the commit that made a series worse.

    They decide with ``tare ab``: what it calls worse is bad, what it cannot decide is skipped.
    """
    good, bad = shlex.quote(good), shlex.quote(bad)
    ab = shlex.join(["-s", kind.sandbox, "-w", kind.workload])
    decide = f"tare ab ../good . {ab}; case $? in 0) exit 0;; 3) exit 1;; *) exit 125;; esac"
    return (
        f"git worktree add ../good {good} && git bisect start {bad} {good} && "
        f"git bisect run sh -c {shlex.quote(decide)}"
    )
