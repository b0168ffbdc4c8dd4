"""A made history with two planted changes and one of the host: both found, the host told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import reports
from reports.history import simulation
from tests.unit.reports.history.conftest import START, SYSCALL

if TYPE_CHECKING:
    from tests.unit.reports.history.conftest import Made


def test_both_planted_changes_are_found_and_the_hosts_is_told_apart(made: Made) -> None:
    made.runs(16, commit="abcdef")
    (profile, *_) = made.runs(14, commit="abcdef", start=1.08)
    made.kernel = "6.19.1"
    (kernel, *_) = made.runs(14, commit="abcdef", start=1.08, host=1.15)
    (workload, *_) = made.runs(12, commit="abcdef", start=1.08, host=1.15, rate=0.94)
    found = reports.over_time([made.folder], 0.02)
    alarms = {one.name: each for one, each in found.alarms}
    assert set(alarms) == {START, SYSCALL}
    for name, run in ((START, profile), (SYSCALL, workload)):
        within = {
            found.runs[place].run for place in range(alarms[name].first, alarms[name].last + 1)
        }
        assert run in within
        assert not alarms[name].host_like
        assert alarms[name].bisect
    (note,) = [note for note in found.notes if "looks like the host" in note]
    assert "native itself became worse in 3 of 3 series" in note
    moved = [one for one in found.series if one.role == "host"]
    assert len(moved) == 3
    for one in moved:
        (change,) = [each for each in one.findings if each.standing]
        assert found.runs[change.at].run == kernel
        assert (change.alarm, change.epoch) == (False, True)
        assert "kernel: 6.18.5 became 6.19.1" in change.differences


def test_one_workload_that_changes_everywhere_is_no_hosts_change(made: Made) -> None:
    made.runs(20)
    made.runs(8, calls=0.9)
    found = reports.over_time([made.folder], 0.02)
    assert [one.name for one, _ in found.alarms] == ["native syscall throughput_per_s"]
    assert not any("looks like the host" in note for note in found.notes)


def test_all_series_at_once_look_like_the_host_and_still_are_alarms() -> None:
    logs = 0.01 * np.random.default_rng(3).standard_normal((5, 40))
    logs[:, 25:] += 0.08
    found = simulation.history(logs)
    (note,) = found.notes
    assert "all 5 series changed at once" in note
    assert len(found.alarms) == 5
    logs[4, 25:] -= 0.16
    assert "all 5 series changed at once" in simulation.history(logs).notes[0]


def test_one_series_of_many_does_not_look_like_the_host() -> None:
    logs = 0.01 * np.random.default_rng(3).standard_normal((5, 40))
    logs[:2, 25:] += 0.08
    found = simulation.history(logs)
    assert found.notes == ()
    assert len(found.alarms) == 2
