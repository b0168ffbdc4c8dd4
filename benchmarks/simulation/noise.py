"""Noise to simulate campaigns with: shapes of known truth, and the noise of a real run.

A draw is an array (campaigns, blocks, 2): the values of two sandboxes in the same blocks, whose
true medians, and whose true ratio, are 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

type Draw = Callable[[np.random.Generator, int, int], NDArray[np.float64]]

_SLOW_SHARE = 0.3
_SLOW = 1.5
_JITTER = 0.05
_CALIBRATION = 400_000
_RUN_LENGTH = 2.0
"""Mean number of consecutive blocks that a resampling of a run keeps together."""


@dataclass(frozen=True)
class Noise:
    """One kind of noise.

    Attributes:
        name: Its name in the tables.
        draw: Draws campaigns from it.
        slow: Whether it drifts so slowly that only long campaigns can tell.
    """

    name: str
    draw: Draw
    slow: bool = False


def shapes() -> list[Noise]:
    """Return the shapes that the intervals' coverage is measured with."""
    return [
        Noise("log-normal, sigma 0.3", partial(_lognormal, own=0.3, shared=0.0)),
        Noise("log-normal, sigma 1", partial(_lognormal, own=1.0, shared=0.0)),
        Noise("log-normal, host shared", partial(_lognormal, own=0.1, shared=0.3)),
        Noise("bimodal, 30 % are 1.5 times", _bimodal),
        Noise("AR(1), phi 0.3", partial(_autoregressive, phi=0.3)),
        Noise("AR(1), phi 0.6", partial(_autoregressive, phi=0.6)),
        Noise("AR(1) host, phi 0.6, shared", partial(_drifting_host, phi=0.6)),
        Noise("AR(1), phi 0.5, plus white", partial(_under_white, phi=0.5), slow=True),
        Noise("AR(1), phi 0.8, plus white", partial(_under_white, phi=0.8), slow=True),
    ]


def assumed() -> Noise:
    """Return the noise assumed for a quiet host where no run is given.

    Own noise of 3 %, and 3 % that both sandboxes of a block share and that is autocorrelated
    (phi 0.5) from block to block.
    """
    return Noise(
        "assumed: 3 % own, 3 % shared", partial(_drifting_host, phi=0.5, own=0.03, host=0.03)
    )


def steady() -> Noise:
    """Return independent noise of 5 %: where nothing but stopping can spoil an interval."""
    return Noise("independent, 5 %", partial(_lognormal, own=0.05, shared=0.0))


def from_blocks(name: str, values: NDArray[np.float64]) -> Noise:
    """Return noise like that of a run: a smoothed bootstrap of its blocks.

    Consecutive blocks are kept together at random lengths (Politis and Romano, J. Am. Stat.
    Assoc. 89 (1994) 1303, the stationary bootstrap), and every value is blurred and shrunk so that
    variance and correlation of the two sandboxes stay (Silverman, Density Estimation, 6.4): a
    plain bootstrap of a few blocks would draw the same few numbers over and over.

    Args:
        name: What to call it.
        values: (blocks, 2), positive: the values of two sandboxes in the same blocks.
    """
    logs = np.log(values)
    draw = partial(_like, logs=logs - np.median(logs, axis=0), centre=np.zeros(2))
    # The medians of the blurred noise are not exactly those of the few blocks: measure them. The
    # ratio's truth is put to 1, since that is what decisions are about.
    many = np.log(draw(np.random.default_rng(1), _CALIBRATION // 100, 100)).reshape(-1, 2)
    second = float(np.median(many[:, 1]))
    centre = np.array([second + float(np.median(many[:, 0] - many[:, 1])), second])
    return Noise(name, partial(_like, logs=logs - np.median(logs, axis=0), centre=centre))


def _lognormal(
    rng: np.random.Generator, campaigns: int, n: int, *, own: float, shared: float
) -> NDArray[np.float64]:
    host = shared * rng.standard_normal((campaigns, n, 1))
    return np.asarray(np.exp(host + own * rng.standard_normal((campaigns, n, 2))))


def _bimodal(rng: np.random.Generator, campaigns: int, n: int) -> NDArray[np.float64]:
    slow = np.where(rng.random((campaigns, n, 2)) < _SLOW_SHARE, np.log(_SLOW), 0.0)
    logs = slow + _JITTER * rng.standard_normal((campaigns, n, 2))
    return np.asarray(np.exp(logs - _bimodal_median()))


def _bimodal_median() -> float:
    """Return the logarithm of the median of the mixture."""
    from scipy.optimize import brentq
    from scipy.special import ndtr

    def excess(x: float) -> float:
        fast = (1 - _SLOW_SHARE) * ndtr(x / _JITTER)
        return float(fast + _SLOW_SHARE * ndtr((x - np.log(_SLOW)) / _JITTER) - 0.5)

    return float(brentq(excess, -1.0, 1.0, xtol=1e-12))


def _autoregressive(
    rng: np.random.Generator, campaigns: int, n: int, *, phi: float
) -> NDArray[np.float64]:
    """Draw values that are autocorrelated in each sandbox by itself: pairing cannot help."""
    return np.asarray(np.exp(0.1 * _process(rng, (campaigns, n, 2), phi)))


def _under_white(
    rng: np.random.Generator, campaigns: int, n: int, *, phi: float
) -> NDArray[np.float64]:
    """Draw values of each sandbox's own drift under as much white noise.

    The first lag shows half of the correlation, and those that follow fall as slowly as ever.
    """
    drift = _process(rng, (campaigns, n, 2), phi)
    return np.asarray(np.exp(0.07 * (drift + rng.standard_normal(drift.shape))))


def _drifting_host(
    rng: np.random.Generator,
    campaigns: int,
    n: int,
    *,
    phi: float,
    own: float = 0.05,
    host: float = 0.2,
) -> NDArray[np.float64]:
    """Draw values whose autocorrelation comes from a host that both sandboxes run on."""
    drift = host * _process(rng, (campaigns, n, 1), phi)
    return np.asarray(np.exp(drift + own * rng.standard_normal((campaigns, n, 2))))


def _process(
    rng: np.random.Generator, shape: tuple[int, int, int], phi: float
) -> NDArray[np.float64]:
    """Draw a stationary first-order autoregressive process of variance 1 along the blocks."""
    steps = rng.standard_normal(shape)
    for block in range(1, shape[1]):
        steps[:, block] = phi * steps[:, block - 1] + (1 - phi**2) ** 0.5 * steps[:, block]
    return steps


def _like(
    rng: np.random.Generator,
    campaigns: int,
    n: int,
    *,
    logs: NDArray[np.float64],
    centre: NDArray[np.float64],
) -> NDArray[np.float64]:
    blocks = len(logs)
    chosen = rng.integers(0, blocks, (campaigns, n))
    goes_on = rng.random((campaigns, n)) < 1 - 1 / _RUN_LENGTH
    for block in range(1, n):
        following = (chosen[:, block - 1] + 1) % blocks
        chosen[:, block] = np.where(goes_on[:, block], following, chosen[:, block])
    width = blocks ** (-1 / 6)  # Silverman's rule in two dimensions
    covariance = np.cov(logs, rowvar=False) + 1e-12 * np.eye(2)
    blur = rng.standard_normal((campaigns, n, 2)) @ np.linalg.cholesky(covariance).T
    mean = logs.mean(axis=0)
    blurred = mean + (logs[chosen] - mean + width * blur) / (1 + width**2) ** 0.5
    return np.asarray(np.exp(blurred - centre))
