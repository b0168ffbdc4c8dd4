"""From the weights of cgroup v1 to those of v2, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.oci import weights


@pytest.mark.parametrize(
    ("shares", "weight"),
    # the first five are the test cases of opencontainers/cgroups
    [(2, 1), (1024, 100), (262_144, 10_000), (0, 1), (1 << 40, 10_000), (512, 59), (2048, 174)],
)
def test_shares_become_weights_as_others_convert_them(shares: int, weight: int) -> None:
    assert weights.cpu_weight(shares) == weight


def test_every_weight_has_its_shares() -> None:
    for weight in range(1, 10_001):
        assert weights.cpu_weight(weights.cpu_shares(weight)) == weight


@given(st.integers(2, 262_143))
def test_more_shares_are_no_less_weight(shares: int) -> None:
    assert weights.cpu_weight(shares) <= weights.cpu_weight(shares + 1)


def test_every_block_weight_comes_back() -> None:
    assert (weights.io_weight(10), weights.io_weight(1000)) == (1, 10_000)
    for block in range(10, 1001):
        assert weights.block_weight(weights.io_weight(block)) == block
    for weight in range(1, 10_001):
        assert 10 <= weights.block_weight(weight) <= 1000
