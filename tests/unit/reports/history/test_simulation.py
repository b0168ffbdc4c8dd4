"""The simulation judges as the command does: nothing is seldom alarmed, a change is soon found."""

from __future__ import annotations

import numpy as np

from reports.history import simulation


def test_alarms_for_nothing_are_seldom() -> None:
    alarms, new = simulation.nothing(simulation.effects()[0], series=6, tries=1)
    assert new == 100
    assert alarms <= 2


def test_a_planted_change_is_found_in_a_few_runs() -> None:
    found = simulation.planted(simulation.effects()[0], series=6, tries=6)
    assert np.median(found) <= 3


def test_a_share_has_its_exact_interval() -> None:
    low, high = simulation.interval(0, 100)
    assert (low, round(high, 4)) == (0.0, 0.0362)
