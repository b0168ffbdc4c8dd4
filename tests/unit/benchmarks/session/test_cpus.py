"""Which CPUs a campaign gets, isolated ones among them."""

from __future__ import annotations

import os
from typing import Any

import pytest

from benchmarks.campaign import config
from benchmarks.errors import UnsuitableHostError
from benchmarks.host import processors
from benchmarks.session.resources import choose_resources


def campaign(**values: Any) -> config.Campaign:
    return config.Campaign(name="t", sandboxes=("fake",), workloads=("startup",), **values)


@pytest.fixture
def isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host of eight CPUs whose last four are isolated, as an inherited affinity shows it."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(processors, "isolated", lambda *_: frozenset(range(4, 8)))
    monkeypatch.setattr(processors, "may_run_on", lambda cpus: set(cpus) <= set(range(8)))


@pytest.mark.usefixtures("isolated")
def test_isolated_cpus_that_are_named_are_taken() -> None:
    chosen = choose_resources(campaign(cpus=2, cpuset=(6, 7)))
    assert chosen.cpuset == (6, 7)


@pytest.mark.usefixtures("isolated")
def test_isolated_cpus_are_not_taken_unasked() -> None:
    assert set(choose_resources(campaign(cpus=2)).cpuset) <= {0, 1, 2, 3}


@pytest.mark.usefixtures("isolated")
def test_more_cpus_than_are_shared_point_to_the_isolated_ones() -> None:
    with pytest.raises(UnsuitableHostError, match="isolated ones as its cpuset: 4, 5, 6, 7"):
        choose_resources(campaign(cpus=5))


@pytest.mark.usefixtures("isolated")
def test_a_cpu_that_is_forbidden_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "may_run_on", lambda _: False)  # a cpuset lacks it
    with pytest.raises(UnsuitableHostError, match="CPU 6 of the campaign's cpuset is not allowed"):
        choose_resources(campaign(cpus=2, cpuset=(6, 7)))


def test_trying_a_cpu_leaves_the_affinity_as_it_was() -> None:
    before = os.sched_getaffinity(0)
    assert processors.may_run_on({min(before)})
    assert not processors.may_run_on({4095})
    assert os.sched_getaffinity(0) == before
