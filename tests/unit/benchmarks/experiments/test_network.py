"""Workloads whose server is in another place, on fakes: which end does what, and what fails how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import pytest

import reports
from benchmarks.errors import MeasurementError, NotSupportedError, UnsuitableHostError
from benchmarks.experiments import leftovers, network
from benchmarks.results import runfolder
from benchmarks.results.records import Resources, Status
from benchmarks.sandboxes.base import Completed, Setting
from benchmarks.sandboxes.kinds.fake import FakeInstance, FakeTestbed
from benchmarks.sandboxes.kinds.vm_restored import RestoredSandbox
from benchmarks.session import measure as session
from tests.unit.conftest import fake_campaign

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.results.records import Sample
    from benchmarks.sandboxes.base import Sandbox
    from tests.unit.conftest import Measure

HOST, PEER = "network-tcp-to-host", "network-tcp-to-peer"
CAMPAIGN = fake_campaign(
    sandboxes=("fake",), workloads=("startup", PEER, "syscall", HOST), blocks_min=2, blocks_max=2
)
type Answer = Callable[[FakeInstance, Sequence[str]], Completed | None]


class Unconnected:
    """A sandbox that has no network: another one but for that."""

    def __init__(self, other: Sandbox) -> None:
        self.info = other.info
        self.start = other.start
        self.leftovers = other.leftovers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def of_network(path: Path) -> list[Sample]:
    return [s for s in runfolder.load(path).samples if s.workload in {HOST, PEER}]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Let a test answer some of the commands that instances are asked to run."""
    usual = FakeInstance.run

    def install(answer: Answer) -> None:
        def run(self: FakeInstance, args: Sequence[str], **options: float) -> Completed:
            return answer(self, args) or usual(self, args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(FakeInstance, "run", run)

    return install


def test_every_sample_says_where_the_server_was(tmp_path: Path, measure: Measure) -> None:
    measure(tmp_path / "run", CAMPAIGN)
    found = of_network(tmp_path / "run")
    assert {(s.workload, s.dimensions["path"]) for s in found} == {(HOST, "host"), (PEER, "peer")}
    assert {s.status for s in found} == {Status.OK}
    assert {s.block for s in found} == {0, 1}
    others = [s for s in runfolder.load(tmp_path / "run").samples if s.workload == "startup"]
    assert not any("path" in s.dimensions for s in others)


def test_the_host_is_asked_first_and_a_peer_is_there_for_its_own_workloads_alone(
    tmp_path: Path, measure: Measure, answering: Callable[[Answer], None]
) -> None:
    did: list[tuple[int, str]] = []
    known: list[FakeInstance] = []

    def answer(instance: FakeInstance, args: Sequence[str]) -> None:
        if instance not in known:
            known.append(instance)
        word = next(word for word in args if word in {"start", "stop", "--client"})
        did.append((known.index(instance), word))

    answering(answer)
    both = ("startup", PEER, HOST)
    once = fake_campaign(sandboxes=("fake",), workloads=both, blocks_min=1, blocks_max=1)
    measure(tmp_path / "run", once)
    host_first = [(0, "start"), (1, "--client"), (0, "stop")]
    then_peer = [(2, "start"), (1, "--client"), (2, "stop")]
    assert did == [*host_first, *then_peer]


def test_client_and_server_are_told_the_server_s_address(
    tmp_path: Path, measure: Measure, answering: Callable[[Answer], None]
) -> None:
    told: set[tuple[str, str]] = set()

    def answer(_: FakeInstance, args: Sequence[str]) -> None:
        for option in ("--client", "--bind"):
            if option in args:
                told.add((option, args[list(args).index(option) + 1]))

    answering(answer)
    measure(tmp_path / "run", CAMPAIGN)
    host, peer = "192.0.2.1", "192.0.2.2"
    assert told == {("--client", host), ("--bind", host), ("--client", peer), ("--bind", peer)}


def test_a_server_that_does_not_listen_fails_its_workload_alone(
    tmp_path: Path, measure: Measure, answering: Callable[[Answer], None]
) -> None:
    def answer(_: FakeInstance, args: Sequence[str]) -> Completed | None:
        if "start" in args and "192.0.2.2" in args:
            return Completed(1, b"", b"bind: Address not available", 0.1)
        return None

    answering(answer)
    measure(tmp_path / "run", CAMPAIGN)
    found = of_network(tmp_path / "run")
    assert {s.status for s in found if s.workload == HOST} == {Status.OK}
    failed = [s for s in found if s.workload == PEER]
    assert {s.status for s in failed} == {Status.FAILED}
    assert {s.dimensions["path"] for s in failed} == {"peer"}
    assert "the server /usr/bin/iperf3 does not listen on tcp port 46393: bind: Address not" in (
        failed[0].detail or ""
    )


def test_a_client_that_fails_quotes_its_server_which_is_killed(
    tmp_path: Path, measure: Measure, answering: Callable[[Answer], None]
) -> None:
    stopped: list[Sequence[str]] = []

    def answer(_: FakeInstance, args: Sequence[str]) -> Completed | None:
        if "--client" in args:
            raise MeasurementError("iperf3 did not end within 60 s", timed_out=True)
        if "stop" in args:
            stopped.append(args)
            return Completed(0, b"out of sockets\n", b"", 0.1)
        return None

    answering(answer)
    measure(tmp_path / "run", CAMPAIGN)
    found = of_network(tmp_path / "run")
    assert {s.status for s in found} == {Status.TIMEOUT}
    assert {s.detail for s in found} == {
        "iperf3 did not end within 60 s; its server said: out of sockets"
    }
    assert len(stopped) == 4
    assert all(list(args[-2:]) == ["4711", "/tmp/log"] for args in stopped)


def test_a_sandbox_that_cannot_be_connected_is_unsupported_in_one_sentence(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = session.open_sandbox
    monkeypatch.setattr(session, "open_sandbox", lambda *given: Unconnected(usual(*given)))
    measure(tmp_path / "run", CAMPAIGN)
    found = of_network(tmp_path / "run")
    assert {(s.status, s.detail) for s in found} == {
        (Status.UNSUPPORTED, "no network between sandboxes: it only starts programs")
    }
    assert {s.dimensions["path"] for s in found} == {"host", "peer"}
    report = reports.render(runfolder.load(tmp_path / "run"), "md")
    assert report.count("fake: no network between sandboxes: it only starts programs.") == 1


def test_a_restored_guest_says_why_it_has_no_network(tmp_path: Path) -> None:
    sandbox = RestoredSandbox.__new__(RestoredSandbox)  # another would audit the accelerators
    setting = Setting(
        resources=Resources(cpus=1, cpuset=(0,), memory_bytes=1 << 29),
        image_root=None,
        image=None,
        state=tmp_path,
        logs=tmp_path,
        seed=1,
    )
    with pytest.raises(NotSupportedError, match="saved without an interface"):
        sandbox.networked(FakeTestbed(setting))


def test_a_host_without_a_testbed_measures_the_rest(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise UnsuitableHostError("no network between sandboxes can be made here: no bridges")

    monkeypatch.setattr(network, "make_testbed", refuse)
    measure(tmp_path / "run", CAMPAIGN)
    samples = runfolder.load(tmp_path / "run").samples
    assert {s.status for s in of_network(tmp_path / "run")} == {Status.UNSUPPORTED}
    assert "no bridges" in (of_network(tmp_path / "run")[0].detail or "")
    assert {s.status for s in samples if s.workload == "syscall"} == {Status.OK}


def test_no_testbed_is_made_where_no_workload_has_a_server(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "make_testbed", None)
    measure(tmp_path / "run", fake_campaign(blocks_min=1, blocks_max=1))
    assert not any(s.workload in {HOST, PEER} for s in runfolder.load(tmp_path / "run").samples)


def test_what_is_left_on_the_bridge_fails_the_stop(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeTestbed, "leftovers", lambda _: ["interface tv0 of the testbed"])
    monkeypatch.setattr(leftovers, "_GONE_WITHIN_S", 0.0)
    measure(tmp_path / "run", CAMPAIGN)
    samples = runfolder.load(tmp_path / "run").samples
    stops = [s for s in samples if s.metric == "stop_s" and s.status is Status.FAILED]
    assert [s.detail for s in stops] == 2 * [
        "left behind on the host: interface tv0 of the testbed"
    ]
    assert all("leftover" in s.flags for s in of_network(tmp_path / "run"))


def test_a_killed_run_resumes_with_the_network_visits_that_are_missing(
    tmp_path: Path, measure: Measure
) -> None:
    out = tmp_path / "run"
    measure(out, CAMPAIGN)
    whole = runfolder.load(out)
    data = (out / "samples.jsonl").read_bytes()
    (out / "samples.jsonl").write_bytes(data[: len(data) * 3 // 5])
    measure(out, CAMPAIGN, resume=True)
    parts = [(v.block, v.part) for v in runfolder.load(out).visits]
    assert sorted(parts) == sorted((v.block, v.part) for v in whole.visits)
    assert parts.count((0, "network")) == 1
