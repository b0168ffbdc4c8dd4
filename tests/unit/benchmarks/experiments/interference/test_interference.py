"""The agent's roles on this host, in moments, and what a run keeps of an ordeal."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import pytest

from benchmarks.errors import MeasurementError, RunFolderError
from benchmarks.experiments import covert_channels
from benchmarks.experiments.interference import (
    AGGRESSORS,
    FOUND,
    VICTIMS,
    Account,
    Interference,
    NoisyInstances,
    Ordeal,
    agent,
    experiment,
    measure,
)
from benchmarks.experiments.interference.accounts import uncharged_s
from benchmarks.results import metrics
from benchmarks.results.recorder import Recorder
from benchmarks.results.records import Status
from benchmarks.sandboxes.base import Completed

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.results.records import Sample


def program(call: str, file: Path | None = None) -> list[str]:
    setting = "" if file is None else f"AGGRESSOR_FILE = VICTIM_FILE = {str(file)!r}\n"
    return [sys.executable, "-c", f"{inspect.getsource(agent)}\n{setting}main({call})\n"]


@pytest.fixture
def large(tmp_path: Path) -> Path:
    (tmp_path / "large").write_bytes(bytes(1 << 18))
    return tmp_path / "large"


def test_the_names_are_those_of_the_agent() -> None:
    assert list(AGGRESSORS) == list(agent.AGGRESSORS)
    assert list(VICTIMS) == list(agent.VICTIMS)


@pytest.mark.parametrize("aggressor", AGGRESSORS)
def test_an_aggressor_ends_with_its_timetable_and_leaves_nothing(
    aggressor: str, large: Path
) -> None:
    running = subprocess.Popen(
        program(f"attack, {aggressor!r}, time.time() + 0.5, 0.05, [1, 0]", large),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    out, _ = running.communicate(timeout=30)
    assert out.strip() == "attacked"
    left = [p.pid for p in psutil.process_iter() if _session(p.pid) == running.pid]
    assert left == []


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


@pytest.mark.parametrize("aggressor", ["cpu", "fork"])
def test_an_aggressor_that_lost_its_parent_is_ended_by_its_own_alarm(aggressor: str) -> None:
    """Each of its processes has an alarm of its own, since no alarm is inherited."""
    source = inspect.getsource(agent).replace("GRACE_SECONDS = 5", "GRACE_SECONDS = 1")
    call = f"main(attack, {aggressor!r}, time.time() + 0.4, 30.0, [1])"
    source = source.replace("int(start - time.time() + len(busy) * slot)", "1")
    running = subprocess.Popen(
        [sys.executable, "-c", f"{source}\n{call}\n"],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 20
    family: list[psutil.Process] = []
    while len(family) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
        family = [p for p in psutil.process_iter() if _session(p.pid) == running.pid]
    running.send_signal(signal.SIGKILL)
    running.wait()
    others = [process for process in family if process.pid != running.pid]
    assert psutil.wait_procs(others, timeout=10)[1] == []


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_victim_says_what_it_did_in_each_slot(victim: str, large: Path) -> None:
    done = subprocess.run(
        program(f"endure, {victim!r}, time.time() + 0.5, 0.2, 3, 0.01", large),
        capture_output=True,
        check=True,
        text=True,
    )
    rates = [float(rate) for rate in done.stdout.split()]
    assert len(rates) == 3
    assert all(rate >= 0 for rate in rates)
    assert any(rates)  # on a busy host a slot may pass without a turn


@pytest.mark.parametrize("call", ["attack, 'cpu', 5.0, 1.0, [1]", "endure, 'cpu', 5.0, 1.0, 1, 0"])
def test_a_role_that_begins_too_late_does_nothing(call: str) -> None:
    done = subprocess.run(program(call), capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "late"


def test_the_kernels_own_time_only_grows() -> None:
    try:
        before = uncharged_s()
    except MeasurementError as error:
        pytest.skip(f"not here: {error}")
    assert uncharged_s() >= before >= 0


def test_kernel_threads_that_cannot_be_seen_are_not_taken_for_idle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a pid namespace of its own, whose /proc lists this process alone."""
    own = tmp_path / "1"
    own.mkdir()
    (own / "stat").write_text("1 (tare) S 0 1 1 0 -1 4194560 0 0\n")
    (own / "schedstat").write_text("5000000000 1 1\n")
    entries = list(os.scandir(tmp_path))
    monkeypatch.setattr(os, "scandir", {"/proc": entries}.get)
    with pytest.raises(MeasurementError, match="cannot be seen from here"):
        uncharged_s()


def recorded(found: Interference) -> list[Sample]:
    record = Recorder("r", 0, "vm")
    experiment.record(record, found)
    return record.samples


def test_a_slowdown_is_a_ratio_of_neighbours_and_a_dead_stop_is_no_number() -> None:
    pairs = ((100.0, 50.0), (100.0, 0.0))
    ordeal = Ordeal(sandbox="vm", victim="net", aggressor="fork", pairs=pairs)
    slowed, stopped = recorded(Interference(ordeals=(ordeal,)))
    assert (slowed.value, slowed.block, slowed.dimensions) == (2.0, 0, {"aggressor": "fork"})
    assert (stopped.value, stopped.status, stopped.block) == (None, Status.FAILED, 1)


def test_what_failed_is_a_failed_sample_for_each_ordeal_and_account() -> None:
    made = recorded(experiment._failed("vm", "no python3"))
    assert len(made) == len(AGGRESSORS) * (len(VICTIMS) + 1)
    assert {(s.status, s.value, s.detail) for s in made} == {(Status.FAILED, None, "no python3")}
    known = {info.metric for info in NoisyInstances.catalogue()}
    assert {s.metric for s in made} == known
    assert {s.workload for s in made} == {metrics.INTERFERENCE}


class Breaking:
    """An instance in which every command ends badly, or cannot be run at all."""

    def __init__(self, *, refuses: bool) -> None:
        self.refuses = refuses

    def run(self, args: list[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        del args, timeout_s, stdin
        if self.refuses:
            raise MeasurementError("no such program")
        return Completed(1, b"", b"Traceback\nMemoryError", 0.1)

    def cpu_seconds(self) -> float | None:
        return None


@pytest.mark.parametrize(
    ("refuses", "why"), [(True, "no such program"), (False, "broke: MemoryError")]
)
def test_an_agent_that_breaks_is_an_error_and_no_slowdown(
    monkeypatch: pytest.MonkeyPatch,
    refuses: bool,  # noqa: FBT001  # a table's column
    why: str,
) -> None:
    monkeypatch.setattr(measure, "uncharged_s", float)
    instance: Any = Breaking(refuses=refuses)
    end = covert_channels.End("container", instance, 0.0, 0.0, 0.0)
    (ordeal,) = measure.ordeals(end, end, 1, victims=["cpu"], aggressors=["fork"], pairs=1)
    assert why in (ordeal.error or "")
    assert ordeal.pairs == ()
    (account,) = measure.accounts(end, ["fork"], rounds=1)
    assert why in (account.error or "")
    assert account.uncharged_s == ()


class Late:
    """An instance whose agent is late until it is given four times the time."""

    def __init__(self) -> None:
        self.asked = 0

    def run(self, args: list[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        del args, timeout_s, stdin
        self.asked += 1
        told = b"late" if self.asked <= 4 else b"10 5"  # two ends a try
        return Completed(0, told, b"", 0.1)


def test_an_end_that_is_late_is_given_more_time() -> None:
    instance: Any = Late()
    end = covert_channels.End("vm", instance, 0.0, 0.0, 0.0)
    (ordeal,) = measure.ordeals(end, end, 1, victims=["cpu"], aggressors=["cpu"], pairs=1)
    assert ordeal.error is None
    assert instance.asked == 6


def test_what_is_kept_is_read_again_and_damage_is_named(tmp_path: Path) -> None:
    account = Account(sandbox="vm", aggressor="cpu", charged_s=(None,), uncharged_s=(0.1,))
    found = Interference(accounts=(account,))
    (tmp_path / "interference-oci.runc.json").write_bytes(msgspec.json.encode(found))
    assert FOUND.read(tmp_path, "oci:runc") == found
    assert FOUND.read(tmp_path, "vm") is None
    (tmp_path / "interference-vm.json").write_text("{")
    with pytest.raises(RunFolderError, match="damaged"):
        FOUND.read(tmp_path, "vm")
