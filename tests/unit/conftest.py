"""What the unit tests share: a campaign on the fake sandbox, and a silent observer."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from benchmarks.campaign import config
from benchmarks.session.measure import measure as measure_campaign

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from benchmarks.campaign.config import Campaign
    from benchmarks.campaign.schedule import Stop
    from benchmarks.results.records import Sample


class Silent:
    """An observer that remembers what it was told."""

    def __init__(self) -> None:
        self.visits: list[tuple[int, str]] = []
        self.blocks: list[tuple[int, int]] = []
        self.left_s: list[float] = []
        self.absent: Mapping[str, str] = {}
        self.stop: Stop | None = None

    def note(self, line: str) -> None:
        raise AssertionError(f"fakes need no image: {line}")

    def opened(self, sandboxes: Sequence[str], absent: Mapping[str, str]) -> None:
        del sandboxes
        self.absent = absent

    def beginning(self, number: int, expected: int) -> None:
        self.blocks.append((number, expected))

    def visiting(self, block: int, sandbox: str, remaining_s: float) -> None:
        self.left_s.append(remaining_s)
        self.visits.append((block, sandbox))

    def visited(self, samples: Sequence[Sample]) -> None:
        del samples

    def stopped(self, stop: Stop) -> None:
        self.stop = stop


def fake_campaign(**changes: object) -> Campaign:
    values: dict[str, object] = {
        "name": "fake",
        "sandboxes": ("fake", "fake:slow"),
        "workloads": ("startup", "memory", "sysbench-cpu", "syscall", "checksum"),
        "blocks_min": 6,
        "blocks_max": 6,
        "settle_s": 0.0,
        "seed": 7,
    }
    return config.convert(values | changes)


type Measure = Callable[..., Silent]


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    """Run a campaign on fakes into a folder; a campaign a test does not name is the usual one."""

    def run(out: Path, campaign: Campaign | None = None, *, resume: bool = False) -> Silent:
        observer = Silent()
        measure_campaign(
            campaign or fake_campaign(),
            out,
            image=None,
            state=tmp_path / "state",
            tare_version="test",
            observer=observer,
            resume=resume,
        )
        return observer

    return run


@pytest.fixture(scope="session")
def measured_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measured")
    measure_campaign(
        fake_campaign(),
        folder / "run",
        image=None,
        state=folder / "state",
        tare_version="test",
        observer=Silent(),
    )
    return folder / "run"


@pytest.fixture
def fake_run(measured_once: Path, tmp_path: Path) -> Path:
    """A copy of a finished run on fakes, to be damaged at will."""
    shutil.copytree(measured_once, tmp_path / "run")
    return tmp_path / "run"
