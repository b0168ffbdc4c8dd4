import platform

import pytest

from vmdriver.microguest.tsc import host_khz


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the counter is x86-64's")
def test_the_time_stamp_counter_s_speed_is_found_again() -> None:
    first = host_khz()
    host_khz.cache_clear()
    assert host_khz() == pytest.approx(first, rel=1e-3)
    assert 100_000 < first < 100_000_000
