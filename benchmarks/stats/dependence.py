"""Whether successive values depend on each other, by how much, and when that cannot be told.

A test decides: the lag-1 correlation of the values' normal scores (ranks, so that an outlier can
neither fake nor hide it) against what a random order gives. At a level of 25 % (20 % below 20
values) it is meant to find, not to spare: where it finds nothing the values are taken as
independent. Where it does, two estimates say by how much the variance of their middle is inflated:

* as of a first-order process with that correlation, corrected for being too small by
  (1 + 4 phi) / n on average, and by 1 / n more, since an underestimate harms more. Good with few
  values, and wrong where white noise lies over a slow drift: the first lag then says little of
  those that follow.
* by batches: neighbours are put together until the batches' means are as good as independent. It
  asks for no model, and for values enough: eight batches of more than two.

Where few equivalent values are left, or no size of batches is enough, no interval can be relied on.

Sources: Bartels, J. Am. Stat. Assoc. 77 (1982) 40 (the rank test that this follows); Marriott and
Pope, Biometrika 41 (1954) 390 (bias of the serial correlation); Bayley and Hammersley, Suppl. J. R.
Stat. Soc. 8 (1946) 184 (equivalent number of values); Fishman, Oper. Res. 26 (1978) 456 (batches
that are made larger until they pass a test of independence).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    type Data = NDArray[np.float64]

_FINDS = 0.25
_FINDS_OF_FEW = 0.2
"""Levels below which values are not taken as independent; the lower one where there are fewer than
20, which pay most for it."""
_CERTAIN = 0.05
_CERTAIN_OF_FEW = 0.01
"""Levels of dependence that leaves no interval; the lower one where there are fewer than 20."""
_FEW = 20
_LEAST_EQUIVALENT = 10.0
_LEAST_BATCHES = 8
_FEWEST = 4
"""Of fewer values nothing is said: they have no interval anyway."""
_MOST_AUTOCORRELATION = 0.9  # beyond it a campaign's few blocks tell nothing
_LAGS = 150  # 0.9**150 is negligible


class Dependence(NamedTuple):
    """How successive values depend on each other.

    Attributes:
        inflation: By how much it inflates the variance of their middle; 1 for none.
        batch: Size of batches that are as good as independent; 1 where the values themselves are,
            or are too few to be put together.
        hopeless: Whether no interval of the values can be relied on, however wide.
    """

    inflation: float
    batch: int
    hopeless: bool


NONE = Dependence(1.0, 1, hopeless=False)


def dependence(values: Sequence[float] | Data) -> float:
    """Return by how much autocorrelation inflates the variance of the values' middle; 1 is none.

    Args:
        values: The values in the order they were taken.
    """
    return assess(values).inflation


def assess(values: Sequence[float] | Data) -> Dependence:
    """Return how successive values depend on each other.

    Args:
        values: The values in the order they were taken; infinite ones are allowed.
    """
    import numpy as np

    data = np.asarray(values, dtype=float)
    n = len(data)
    if n < _FEWEST:
        return NONE
    raw, p = _lag_one(data)
    if p > (_FINDS if n >= _FEW else _FINDS_OF_FEW):
        return NONE
    phi = min(max(raw + (2 + 4 * raw) / n, 0.0), _MOST_AUTOCORRELATION)
    lags = np.arange(1, min(n, _LAGS))
    inflation = float(1 + 2 * np.sum((1 - lags / n) * phi**lags))
    certain = p < (_CERTAIN if n >= _FEW else _CERTAIN_OF_FEW)
    few = certain and n / inflation < _LEAST_EQUIVALENT
    batch = _independent_batch(data)
    return Dependence(inflation, batch or 1, hopeless=few or batch is None)


def batches(values: Data, size: int, middle: Callable[..., Any] | None = None) -> Data:
    """Return what so many neighbours each come to; what does not fill a batch is left out first.

    Args:
        values: The values in the order they were taken.
        size: How many are put together.
        middle: What is made of them; their mean by default.
    """
    import numpy as np

    count = len(values) // size
    together = values[len(values) - count * size :].reshape(count, size)
    made: Data = (middle or np.mean)(together, axis=1)
    return made


def _independent_batch(data: Data) -> int | None:
    """Return the smallest size of batches that are as good as independent; None where none is.

    1 where the values are too few for batches of more than two.
    """
    import numpy as np

    most = len(data) // _LEAST_BATCHES
    if most <= 2 or not np.isfinite(data).all():  # noqa: PLR2004  # as the docstring has it
        return 1
    sizes = (size for size in range(2, most + 1) if _lag_one(batches(data, size))[1] > _FINDS)
    return next(sizes, None)


def _lag_one(data: Data) -> tuple[float, float]:
    """Return the lag-1 correlation of normal scores, and how rare so large a one is by chance."""
    from scipy.special import ndtr, ndtri

    n = len(data)
    scores = ndtri(middle_ranks(data) / n)
    spread = float(scores @ scores)
    if spread == 0.0:
        return 0.0, 1.0
    raw = float(scores[1:] @ scores[:-1]) / spread
    # Under random orders the mean is -1 / n and the variance nearly (n - 2) / (n (n - 1)).
    deviate = (raw + 1 / n) / ((n - 2) / (n * (n - 1))) ** 0.5
    return raw, float(ndtr(-deviate))


def middle_ranks(data: Data) -> Data:
    """Return each value's rank less one half; equal values share the middle of theirs."""
    import numpy as np

    n = len(data)
    order = np.argsort(data, kind="stable")
    ordered = data[order]
    firsts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    counts = np.diff(np.append(firsts, n))
    ranks = np.empty(n)
    ranks[order] = np.repeat(firsts + counts / 2, counts)
    return ranks
