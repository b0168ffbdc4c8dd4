import numpy as np
import pytest

from benchmarks.stats.quantiles import quantile


@pytest.mark.parametrize(("share", "n"), [(0.5, 6), (0.95, 72), (0.99, 368)])
def test_a_quantile_is_told_only_where_there_are_values_enough(share: float, n: int) -> None:
    values = np.random.default_rng(1).lognormal(0, 1, n).tolist()
    assert quantile([values], share) is not None
    assert quantile([values[1:]], share) is None


def test_its_interval_knows_that_a_block_s_values_share_their_host() -> None:
    rng = np.random.default_rng(2)
    alone = np.exp(rng.normal(0, 0.1, (20, 20)))
    shared = alone * np.exp(rng.normal(0, 0.3, (20, 1)))
    one, other = (quantile(values.tolist(), 0.95) for values in (alone, shared))
    assert one is not None
    assert other is not None
    assert one.low is not None
    assert one.high is not None
    assert other.low is not None
    assert other.high is not None
    assert one.low < np.exp(0.1645) < one.high
    assert np.log(other.high / other.low) > 3 * np.log(one.high / one.low)
