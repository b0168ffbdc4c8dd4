"""The pytest-benchmark suites, as someone who knows that plugin would use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.suites.clock import StampedClock
from tests.framework.campaign_turn import await_turn

if TYPE_CHECKING:
    from benchmarks.image import Image

pytestmark = pytest.mark.campaigns

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def results(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    del image
    file = tmp_path_factory.mktemp("suites") / "out.json"
    # as a process of pytest-xdist's, in which nothing would be timed, it would count else
    alone = {name: value for name, value in os.environ.items() if "XDIST" not in name}
    await_turn()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "benchmarks/suites/test_startup.py", "-q"),
            *("--sandbox", "native", "--sandbox", "container", f"--benchmark-json={file}"),
        ],
        cwd=ROOT,
        env=alone,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return file


def test_durations_are_the_stamped_ones(results: Path) -> None:
    for entry in json.loads(results.read_text())["benchmarks"]:
        assert 0 < entry["stats"]["min"] <= entry["stats"]["median"] < 1.0, entry["name"]
        if entry["name"].startswith("test_start"):
            ladder = entry["extra_info"]["last_ladder_s"]
            assert 0 < ladder["spawned"] < ladder["ready"] < ladder["main"] < 1.0


def test_what_the_numbers_stand_for_is_written_beside_them(results: Path, image: Image) -> None:
    for entry in json.loads(results.read_text())["benchmarks"]:
        info = entry["extra_info"]
        assert info["sandbox"] in entry["name"]
        assert info["image"] == image.digest
        assert info["host"]["kernel_release"]
        assert "accelerator" in info


def test_the_plugins_own_comparison_reads_the_file(results: Path) -> None:
    tool = Path(sys.executable).with_name("pytest-benchmark")
    done = subprocess.run(
        [tool, "compare", results],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "test_start[container]" in done.stdout


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="negative"):
        StampedClock().advance(2, 1)
