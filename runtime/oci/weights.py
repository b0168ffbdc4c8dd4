"""Weights of cgroup v1, in which OCI counts, and of cgroup v2, in which this runtime counts."""

from __future__ import annotations

import math

_LEAST_SHARES, _MOST_SHARES = 2, 262_144
_LEAST_BLOCK, _MOST_BLOCK = 10, 1000
_MOST_WEIGHT = 10_000


def cpu_weight(shares: int) -> int:
    """`cpu.weight` (1 to 10000) for CPU shares (2 to 262144; beyond them, the nearest).

    A quadratic in the logarithm which takes least, default and most shares to least, default and
    most weight: 2 to 1, 1024 to 100, 262144 to 10000. runc and crun have used it since 2025
    (opencontainers/cgroups, commit fd95216, 5 June 2025). The linear rule before it took the
    default of 1024 to 39, less than half of what a group has that nobody gave a weight.
    """
    if shares <= _LEAST_SHARES:
        return 1
    if shares >= _MOST_SHARES:
        return _MOST_WEIGHT
    logarithm = math.log2(shares)
    exponent = (logarithm * logarithm + 125 * logarithm) / 612 - 7 / 34
    return math.ceil(10**exponent)


def cpu_shares(weight: int) -> int:
    """The most CPU shares with this `cpu.weight`, so that `cpu_weight` gives it back."""
    low, high = _LEAST_SHARES, _MOST_SHARES
    while low < high:
        middle = (low + high + 1) // 2
        if cpu_weight(middle) <= weight:
            low = middle
        else:
            high = middle - 1
    return low


def io_weight(block: int) -> int:
    """`io.weight` (1 to 10000) for a block I/O weight (10 to 1000): linear, as in runc and crun.

    `io.bfq.weight`, where the kernel has it, counts as the block I/O weight does: `block_weight`
    gives that back.
    """
    return 1 + (block - _LEAST_BLOCK) * (_MOST_WEIGHT - 1) // (_MOST_BLOCK - _LEAST_BLOCK)


def block_weight(weight: int) -> int:
    """The block I/O weight (10 to 1000) next to an `io.weight`; the exact reverse where one is."""
    span, step = _MOST_BLOCK - _LEAST_BLOCK, _MOST_WEIGHT - 1
    return _LEAST_BLOCK + -(-(weight - 1) * span // step)
