"""From events and answers to counts, without tracing anything."""

from __future__ import annotations

import importlib
import inspect
import os
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from benchmarks.errors import MeasurementError, UnsuitableHostError
from benchmarks.experiments.base import Context, Request
from benchmarks.experiments.surface import (
    METHODS,
    AttackSurface,
    Surface,
    agent,
    calls,
    trace,
    tracer,
)
from benchmarks.experiments.surface.attribution import between, entered, functions, ioctls, marked
from benchmarks.experiments.surface.trace import Call, Fork
from benchmarks.results.recorder import Recorder
from benchmarks.results.records import Resources, SandboxInfo, Status, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.results.records import Sample

READ, CLOSE, IOCTL, MOUNT = 0, 3, 16, 165
measure = importlib.import_module("benchmarks.experiments.surface.measure")
"""The module; the package's name for it is its function."""


def call(pid: int, number: int, first: int = 0, second: int = 0) -> Call:
    return Call(pid, number, first, second)


def test_only_what_lies_between_the_marks_is_the_workloads() -> None:
    events = [
        call(7, MOUNT),
        call(7, CLOSE, agent.BEGIN),
        call(7, READ),
        call(8, MOUNT),
        Fork(7, 9),
        call(9, IOCTL, 0, 0x5401),
        Fork(9, 10),
        call(10, READ),
        call(7, CLOSE, agent.END),
        call(7, MOUNT),
    ]
    found = marked(events)
    assert [(one.pid, one.number) for one in found] == [(7, READ), (9, IOCTL), (10, READ)]
    assert ioctls(found, IOCTL) == [0x5401]
    assert ioctls(found, None) == []


def test_marks_that_never_reached_the_host_are_an_error_and_no_empty_set() -> None:
    with pytest.raises(MeasurementError, match="answers its system calls itself"):
        marked([call(7, READ)])
    with pytest.raises(MeasurementError):
        marked([call(7, CLOSE, agent.BEGIN), call(7, READ)])


def test_a_call_has_passed_the_filter_if_it_comes_right_after_its_mark() -> None:
    events = [
        call(7, CLOSE, agent.MARK | MOUNT),
        call(7, MOUNT),
        call(8, CLOSE, agent.MARK | IOCTL),
        call(9, CLOSE, agent.MARK | READ),
        call(8, READ),
        call(9, READ),
        call(8, IOCTL),
    ]
    assert entered(events) == {MOUNT, READ}


@pytest.mark.parametrize("out", ["", "lost 0\n", "C 1 2 3 4\nend\n", "lost 3\nend\n"])
def test_an_incomplete_recording_is_refused(out: str) -> None:
    with pytest.raises(MeasurementError):
        trace._parse(out)


def test_a_recording_is_read_in_its_order() -> None:
    events = trace._parse("lost 0\nC 7 16 1 5401\nF 7 8\nend\n")
    assert events == [Call(7, 16, 1, 0x5401), Fork(7, 8)]


def test_functions_of_the_kernel_are_the_workloads_between_its_marks() -> None:
    out = (
        f"lost 0\nK 7 do_mount\nC 7 {CLOSE} {agent.BEGIN:x} 0\nK 7 ksys_read\nK 8 do_mount\n"
        f"F 7 9\nK 9 vfs_read\nK 9 vfs_read\nC 7 {CLOSE} {agent.END:x} 0\nK 7 do_exit\nend\n"
    )
    assert functions(between(trace._parse(out))) == ["ksys_read", "vfs_read"]


def test_a_line_of_the_function_tracer_is_read_once_between_two_calls(tmp_path: Path) -> None:
    (tmp_path / "trace").write_text(
        "# tracer: function\n"
        "  python3-12  [001] .....  5.1: vfs_read <-ksys_read\n"
        "  python3-12  [001] .....  5.2: vfs_read <-ksys_read\n"
        "  python3-12  [001] .....  5.3: sys_enter: NR 0 (3, 4, 5, 6, 7, 8)\n"
        "  a-b:c-12    [001] .....  5.4: vfs_read.part.0 <-ksys_read\n"
    )
    found = list(tracer.recorded(str(tmp_path)))
    assert found == ["K 12 vfs_read", "C 12 0 3 4", "K 12 vfs_read.part.0"]


def test_a_function_tracer_that_is_locked_up_is_no_failure_of_a_sandbox(tmp_path: Path) -> None:
    why = "functions of the kernel cannot be traced on this host: Operation not permitted"
    locked = msgspec.structs.replace(FOUND, functions=(), errors={"functions": why})
    made = samples(tmp_path, locked)["kernel_functions"]
    assert (made.status, made.value) == (Status.UNSUPPORTED, None)
    assert why in (made.detail or "")
    empty = msgspec.structs.replace(FOUND, functions=())
    assert samples(tmp_path, empty)["kernel_functions"].status is Status.FAILED


def test_a_host_without_tracefs_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refusing = tmp_path / "tracer.py"
    refusing.write_text("print('refused Operation not permitted /sys/kernel/tracing')")
    monkeypatch.setattr(trace, "_TRACER", refusing)
    with (
        pytest.raises(UnsuitableHostError, match="Operation not permitted"),
        trace.recording([1]),
    ):
        pytest.fail("nothing is recorded")


def run(source: str) -> Any:
    program = f"{inspect.getsource(agent)}\n{source}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return msgspec.json.decode(done.stdout.splitlines()[-1])


def test_the_everyday_work_can_be_done_by_anybody() -> None:
    found = run("main([])")
    assert sorted(found["done"]) == sorted(agent.ROUNDS * [work.__name__ for work in agent.WORK])
    assert found["status"]["Seccomp"] in {"0", "2"}


@pytest.mark.skipif(calls.name_of(0) != "read", reason="numbers of another architecture")
def test_a_scan_survives_what_its_calls_do() -> None:
    exit_, pause, sigreturn, getpid, fork = 60, 34, 15, 39, 57
    tried = [(number, [-1] * 6) for number in (exit_, pause, sigreturn, getpid, fork, CLOSE)]
    answers = run(f"main({tried!r})")["answers"]
    assert answers[str(exit_)] == "EXIT"
    assert answers[str(pause)] == "SIG14"
    assert answers[str(sigreturn)] == "SIG11"
    assert answers[str(getpid)] == "0"
    assert answers[str(fork)] == "0"
    assert answers[str(CLOSE)] == "EBADF"


def test_what_could_harm_is_tried_mildly_or_not_at_all() -> None:
    tried = {calls.name_of(number): arguments for number, arguments in calls.to_try()}
    assert tried.keys().isdisjoint(calls.NOT_TRIED)
    assert tried["kill"][0] > 0
    assert tried["msgget"][1] == 0
    assert len(tried) > 300


@pytest.mark.parametrize(
    ("answer", "reached"), [("EPERM", False), ("ENOSYS", False), ("EINVAL", True), ("0", True)]
)
def test_a_refusal_is_told_from_any_other_answer(answer: str, reached: bool) -> None:  # noqa: FBT001  # a table's column
    assert calls.reached(answer) is reached


STATUS = {"CapEff": "00000000800405fb", "CapBnd": "3", "Seccomp": "2", "NoNewPrivs": "1"}
FOUND = Surface(
    counted="the workload",
    calls={"read": 5, "write": 2},
    ioctls=(0x5401,),
    status=STATUS,
    status_of="the workload",
    answers={"read": "EBADF", "mount": "EPERM", "uselib": "ENOSYS"},
    entered=("read", "uselib"),
    functions=("ksys_read", "vfs_read", "vfs_write"),
)


def samples(
    tmp_path: Path, found: Surface | None, seccomp: str | None = "default"
) -> dict[str, Sample]:
    if found is not None:
        (tmp_path / "surface-container.json").write_bytes(msgspec.json.encode(found))
    details = {"isolation": {"seccomp": seccomp}}
    info = SandboxInfo(name="container", kind="container", profile="default", details=details)
    box: Any = SimpleNamespace(info=info)
    record = Recorder("r", 0, "container")
    resources = Resources(cpus=1, cpuset=(0,), memory_bytes=1 << 29)
    AttackSurface(Request(("surface",), {}, {})).judge(
        Context(
            record=record,
            group=(box,),
            sandboxes={"container": box},
            resources=resources,
            seed=1,
            block=0,
            logs=tmp_path,
        )
    )
    return {one.metric: one for one in record.samples}


def test_every_number_names_its_method(tmp_path: Path) -> None:
    made = samples(tmp_path, FOUND)
    assert made.keys() == METHODS.keys() == {info.metric for info in AttackSurface.catalogue()}
    assert all((one.detail or "").startswith(METHODS[name]) for name, one in made.items())
    evaluated = made.pop("calls_evaluated")
    assert evaluated.value is not None
    assert evaluated.value > 200
    counts = {name: one.value for name, one in made.items() if one.unit is Unit.COUNT}
    assert counts == {
        "host_calls": 2,
        "host_ioctls": 1,
        "host_call_events": 7,
        "kernel_functions": 3,
        "calls_entered": 1,
        "calls_reached": 1,
        "capabilities": 11,
        "capabilities_bounding": 2,
    }
    assert (made["seccomp"].text, made["no_new_privs"].text) == ("filter", "set")


def test_a_kernel_of_its_own_has_nothing_to_scan_which_is_no_failure(tmp_path: Path) -> None:
    errors = {"scan": "its system calls go to a kernel of its own"}
    made = samples(tmp_path, msgspec.structs.replace(FOUND, own_kernel=True, errors=errors))
    assert made["calls_reached"].status is Status.UNSUPPORTED
    assert made["host_calls"].status is Status.OK


@pytest.mark.parametrize(
    "found",
    [
        None,
        Surface(errors=dict.fromkeys(("calls", "functions", "scan", "status"), "broke")),
        Surface(),
    ],
    ids=["never started", "broke", "empty"],
)
def test_what_was_not_measured_is_no_small_surface(tmp_path: Path, found: Surface | None) -> None:
    made = samples(tmp_path, found)
    words = {"seccomp", "no_new_privs", "capabilities", "capabilities_bounding"}
    assert {made[name].status for name in words} == {Status.FAILED}
    if found != Surface():
        del made["calls_evaluated"]  # that needs no instance
        assert {one.status for one in made.values()} == {Status.FAILED}


def test_without_a_filter_there_is_nothing_to_evaluate(tmp_path: Path) -> None:
    assert samples(tmp_path, FOUND, seccomp=None)["calls_evaluated"].status is Status.UNSUPPORTED


def test_a_filter_that_cannot_be_evaluated_is_an_error(tmp_path: Path) -> None:
    made = samples(tmp_path, FOUND, seccomp="no-such-filter")["calls_evaluated"]
    assert (made.status, made.value) == (Status.FAILED, None)


def test_a_tracer_that_saw_nothing_counts_no_calls_instead_of_none() -> None:
    with pytest.raises(MeasurementError, match="saw no system call"):
        measure._with_calls(Surface(), [])


def test_a_scan_that_was_not_seen_is_no_filter_that_stops_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextmanager
    def nothing(*_: object) -> Iterator[trace.Trace]:
        yield trace.Trace()

    monkeypatch.setattr(measure, "recording", nothing)
    monkeypatch.setattr(measure, "_family", lambda _: [])
    monkeypatch.setattr(measure, "_run", lambda *_: {"answers": {str(READ): "EBADF"}})
    errors: dict[str, str] = {}
    instance: Any = None
    assert measure._scan(instance, errors) == ({calls.shown(READ): "EBADF"}, None)
    assert "saw none" in errors["entered"]


def test_an_instance_of_another_pid_namespace_is_not_taken_for_dead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tracer.pid_namespace()
    mine, other, older = (
        f"{tracer.PREFIX}{rest}" for rest in (f"999999999-{here}-ab", "7-4026539999-ab", "7-ab")
    )
    for name in (mine, other, older, "foreign"):
        (tmp_path / "instances" / name).mkdir(parents=True)
    tracer.clean(str(tmp_path), remove=True)
    assert capsys.readouterr().out.split() == [mine]
    left = {path.name for path in (tmp_path / "instances").iterdir()}
    assert left == {other, older, "foreign"}


def test_the_kernel_s_numbers_are_read_from_its_own_tracepoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others write an oom_score_adj meanwhile; only what this process wrote is counted."""
    (tmp_path / "trace").write_text(
        "      other-77   [000] ..... 1.0: oom_score_adj_update: pid=78 comm=x oom_score_adj=0\n"
        "    python-5001 [001] ..... 1.1: tracing_mark_write: word\n"
        "    python-5001 [001] ..... 1.2: oom_score_adj_update: pid=4242 comm=a b oom_score_adj=0\n"
        "      other-77   [000] ..... 1.3: oom_score_adj_update: pid=79 comm=x oom_score_adj=0\n"
    )
    monkeypatch.setattr(tracer, "write", lambda *_: None)
    own = str(os.getpid())
    assert tracer.numbers_of_kernel(str(tmp_path), [own, "999999999"], "word") == ["4242"]
    assert (tmp_path / "trace").read_text() == ""
    with pytest.raises(ProcessLookupError, match="the kernel did not tell"):
        tracer.numbers_of_kernel(str(tmp_path), [own], "word")
