"""Many runs: what is planted is alarmed, the host's is told apart, and each says why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import reports
from reports.comparison.changes import Effect
from reports.errors import EmptyRunError
from reports.history.records import Sort
from tare import cli
from tests.unit.reports.history.conftest import START, SYSCALL

if TYPE_CHECKING:
    from reports.history.records import Finding, History, Series
    from tests.unit.reports.history.conftest import Made


def look(made: Made) -> History:
    return reports.over_time([made.folder], 0.02)


def of(history: History, name: str) -> Series:
    return next(one for one in history.series if one.name == name)


def alarms(history: History) -> dict[str, Finding]:
    return {one.name: found for one, found in history.alarms}


def test_nothing_changed_is_no_alarm(made: Made) -> None:
    made.runs(25)
    found = look(made)
    assert found.alarms == ()
    assert found.tested == 8
    assert of(found, START).by_native
    assert "no regression stands" in reports.render_history(found, "text")


def test_a_planted_change_is_an_alarm_with_place_and_size(made: Made) -> None:
    made.runs(20)
    (first, *_) = made.runs(8, start=1.08)
    found = look(made)
    alarm = alarms(found)[START]
    assert list(alarms(found)) == [START]
    assert (alarm.sort, alarm.effect) == (Sort.CHANGE, Effect.WORSE)
    assert found.runs[alarm.at].run == first
    assert alarm.first <= 20 <= alarm.last
    assert alarm.ratio is not None
    assert alarm.ratio.low is not None
    assert alarm.ratio.high is not None
    assert alarm.ratio.low < 1.08 < alarm.ratio.high
    assert (alarm.n_before, alarm.n_after) == (20, 8)
    assert not alarm.provisional


def test_the_latest_runs_are_an_alarm_before_there_is_a_change(made: Made) -> None:
    made.runs(20)
    made.runs(1, start=1.5)
    alarm = alarms(look(made))[START]
    assert (alarm.sort, alarm.n_after, alarm.provisional) == (Sort.LATEST, 1, True)


def test_what_became_better_again_is_no_alarm(made: Made) -> None:
    made.runs(15)
    made.runs(12, start=1.1)
    made.runs(12)
    found = look(made)
    assert found.alarms == ()
    assert [one.effect for one in of(found, START).findings] == [Effect.WORSE, Effect.BETTER]
    assert [one.standing for one in of(found, START).findings] == [False, True]


def test_what_moves_native_in_all_it_does_looks_like_the_host(made: Made) -> None:
    made.runs(20)
    made.kernel = "6.19.1"
    made.runs(12, host=1.2)
    found = look(made)
    assert found.alarms == ()
    assert "native itself became worse in 3 of 3 series" in found.notes[0]
    (change,) = of(found, "native startup startup_main_s").findings
    assert change.host_like
    assert change.epoch
    assert "kernel: 6.18.5 became 6.19.1" in change.differences
    assert [(one.first, one.changed) for one in found.epochs] == [
        (0, ()),
        (20, ("kernel: 6.18.5 became 6.19.1",)),
    ]


def test_a_host_change_hides_no_change_of_the_software(made: Made) -> None:
    made.runs(20)
    made.runs(10, rate=0.9)
    made.runs(10, rate=0.9, host=1.2)
    found = look(made)
    assert list(alarms(found)) == [SYSCALL]
    assert alarms(found)[SYSCALL].first <= 20 <= alarms(found)[SYSCALL].last


def test_what_can_no_longer_be_measured_is_an_alarm(made: Made) -> None:
    made.runs(12)
    made.failing = {("container", "startup_main_s"): {0, 1, 2, 3}}
    made.runs(1)
    found = look(made)
    assert alarms(found)[START].sort is Sort.FAILED
    assert of(found, START).values[-1] is None
    assert "failed" in reports.render_history(found, "text")


def test_hosts_of_another_class_have_series_of_their_own(made: Made) -> None:
    made.runs(12)
    description = made.folder / "run-011" / "run.json"
    told = json.loads(description.read_text())
    told["host"]["identity"]["cpus"] = 64
    told["host"]["identity"]["hostname"] = "another"
    description.write_text(json.dumps(told))
    found = look(made)
    assert [host.runs for host in found.hosts] == [11, 1]
    assert {len(one.runs) for one in found.series if one.name == START} == {11, 1}


def test_the_name_of_a_host_and_its_day_make_no_series(made: Made) -> None:
    made.runs(12)
    description = made.folder / "run-011" / "run.json"
    told = json.loads(description.read_text())
    told["host"]["identity"]["hostname"] = "runner-4711"
    told["host"]["identity"]["memory_bytes"] += 2**20
    told["host"]["state"]["loadavg"] = "9 9 9"
    description.write_text(json.dumps(told))
    assert len(look(made).hosts) == 1


def test_an_index_makes_no_difference_and_follows_what_changes(made: Made) -> None:
    made.runs(11)
    first = look(made)
    assert (made.folder / ".tare-history").exists()
    assert look(made) == first
    made.runs(1)
    one = reports.over_time([made.folder / "run-011"], 0.02)
    assert [mark.run for mark in one.runs] == ["run-011"]
    index = (made.folder / ".tare-history").read_bytes()
    assert look(made).runs[:11] == first.runs
    assert (made.folder / ".tare-history").read_bytes() == index
    assert len(look(made).runs) == 12
    for index in (".tare-history", ".tare-history-changes"):
        assert (made.folder / index).exists()
        (made.folder / index).write_bytes(b"\x93broken")
    assert len(look(made).runs) == 12


def test_a_run_that_cannot_be_used_is_left_out_in_a_sentence(made: Made) -> None:
    made.runs(2)
    (made.folder / "run-001" / "run.json").write_text("{}")
    found = look(made)
    assert len(found.runs) == 1
    assert "run-001" in found.notes[0]
    (made.folder / "run-000" / "run.json").write_text("{}")
    with pytest.raises(EmptyRunError, match="no run that can be used"):
        look(made)


@pytest.mark.parametrize(("more", "code"), [({}, 0), ({"start": 1.08}, 3)])
def test_the_command_ends_as_the_latest_runs_stand(
    made: Made, capsys: pytest.CaptureFixture[str], more: dict[str, float], code: int
) -> None:
    made.runs(15)
    made.runs(6, **more)  # type: ignore[arg-type]
    with pytest.raises(SystemExit) as end:
        cli.main(["history", str(made.folder), "--format", "json"])
    assert end.value.code == code
    assert json.loads(capsys.readouterr().out)["regressed"] is (code == 3)


def test_the_command_says_when_there_are_too_few_runs(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    made.runs(3)
    with pytest.raises(SystemExit) as end:
        cli.main(["history", str(made.folder)])
    assert end.value.code == 5
    assert "7 more runs, then it can be judged" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        cli.main(["history", str(made.folder), "--allow-inconclusive"])
    assert end.value.code == 0


def test_the_command_refuses_what_is_no_folder(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["history", "/nowhere"])
    assert end.value.code == 1
    assert "cannot read /nowhere: No such file or directory" in capsys.readouterr().err
