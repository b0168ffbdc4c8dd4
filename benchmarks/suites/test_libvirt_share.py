"""What libvirt adds to a VM's start: the same QEMU command line with and without it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from benchmarks import image
from benchmarks.suites import libvirt_share
from benchmarks.suites.clock import stamped_clock

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    Measured = dict[str, list[tuple[int, int]]]

ROUNDS = 7


@pytest.fixture(scope="module")
def measured() -> Measured:
    if os.geteuid() != 0:
        pytest.skip("libvirt's own driver needs root")
    return libvirt_share.measure(image.build(progress=print), ROUNDS)


@pytest.mark.benchmark(group="VM start: asked to main", timer=stamped_clock)
@pytest.mark.parametrize("way", [libvirt_share.THROUGH, libvirt_share.DIRECTLY])
def test_vm_start(benchmark: BenchmarkFixture, measured: Measured, way: str) -> None:
    stamps = iter(measured[way])
    benchmark.pedantic(lambda: stamped_clock.advance(*next(stamps)), rounds=ROUNDS)
    benchmark.extra_info["interleaved_with"] = sorted(measured)
