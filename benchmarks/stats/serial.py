"""Whether successive values resemble each other more than chance would have them.

Correcting for a dependence that is not there costs most where values are few: the correction's own
uncertainty is then as large as what it corrects. So a comparison of two runs corrects where a test
finds the values dependent, at a level that is generous, since missing it is the worse mistake.

Source: Bartels, J. Am. Stat. Assoc. 77 (1982) 40 (rank version of von Neumann's ratio), with normal
scores in place of ranks; its mean under independence is -1/n and its variance 1/n.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.stats.order_statistics import dependence

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEVEL = 0.10


def inflation(values: Sequence[float]) -> float:
    """Return by how much a median's variance is inflated; 1 where independence is not refuted.

    Args:
        values: The values in the order they were taken.
    """
    return dependence(values) if dependent(values) else 1.0


def dependent(values: Sequence[float]) -> bool:
    """Whether the values resemble their predecessors, by a one-sided test of their scores."""
    import numpy as np
    from scipy.special import ndtri
    from scipy.stats import rankdata

    n = len(values)
    if n <= 2:  # noqa: PLR2004  # one pair of neighbours tells nothing
        return False
    scores = ndtri((rankdata(values) - 0.5) / n)
    spread = float(scores @ scores)
    if spread == 0.0:
        return False
    raw = float(scores[1:] @ scores[:-1]) / spread
    return bool((raw + 1 / n) * np.sqrt(n) > ndtri(1 - _LEVEL))
