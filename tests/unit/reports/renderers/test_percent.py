"""A share is written as people write it."""

import pytest

from reports.renderers.units import percent


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [
        (0.0, "0"),
        (0.0123, "1.2"),
        (0.05, "5"),
        (0.996, "100"),
        (1.0, "100"),
        (-1.0, "-100"),
        (12.34, "1234"),
    ],
)
def test_a_share_is_never_written_with_an_exponent(fraction: float, shown: str) -> None:
    assert percent(fraction) == f"{shown}\u00a0%"
