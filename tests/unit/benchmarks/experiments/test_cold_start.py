"""Cold starts, on the fake sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.host import caches
from benchmarks.results import runfolder
from benchmarks.sandboxes.kinds.fake import FakeInstance, FakeSandbox
from tests.unit.conftest import fake_campaign

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from benchmarks.results.records import Sample
    from tests.unit.conftest import Measure


def of(samples: list[Sample], metric: str) -> dict[tuple[int, str], Sample]:
    return {(s.block, s.dimensions.get("instances", "")): s for s in samples if s.metric == metric}


def test_a_cold_start_drops_the_caches_first(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = tmp_path / "drop_caches"
    monkeypatch.setattr(caches, "drop", lambda: _drop(dropped))
    plan = fake_campaign(sandboxes=("fake",), workloads=("startup", "cold"), blocks_max=6)
    measure(tmp_path / "run", plan)
    samples = runfolder.load(tmp_path / "run").samples
    cold_starts = of(samples, "cold_main_s")
    assert len(cold_starts) == 6
    assert all(sample.value for sample in cold_starts.values())
    assert not of(samples, "cold_kernel_s")  # a boundary that it does not have
    assert dropped.read_text() == "3" * 6


def test_a_start_is_cold_only_where_it_is_asked_to_be(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[str] = []

    def drop() -> None:
        did.append("drop")

    def start(box: FakeSandbox) -> FakeInstance:
        did.append(box.info.name)
        return before(box)

    before = FakeSandbox.start
    monkeypatch.setattr(caches, "drop", drop)
    monkeypatch.setattr(FakeSandbox, "start", start)
    plan = fake_campaign(
        sandboxes=("fake", "fake:slow"), workloads=("startup", "cold"), blocks_min=2, blocks_max=2
    )
    measure(tmp_path / "run", plan)
    both = {"fake", "fake:slow"}
    # to begin with, then in each block: two warm ones, a drop before each cold one, two to warm up
    assert set(did[:2]) == both
    for block in (did[2:10], did[10:]):
        assert set(block[:2]) == both
        assert block[2] == block[4] == "drop"
        assert {block[3], block[5]} == both
        assert set(block[6:]) == both


def _drop(path: Path) -> str | None:
    path.write_text((path.read_text() if path.exists() else "") + "3")
    return None


def test_a_host_that_keeps_its_caches_makes_it_unsupported(tmp_path: Path) -> None:
    said = caches.drop(tmp_path / "nowhere" / "drop_caches")
    assert said is not None
    assert "does not let tare drop its caches" in said
    assert "run tare as root" in said
