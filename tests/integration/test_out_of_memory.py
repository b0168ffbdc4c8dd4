"""Memory that runs out: a workload's within its container's limit, and the campaign's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.results import runfolder
from benchmarks.results.records import Status
from runtime.cgroups import layout
from tests.framework.campaign_turn import await_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image

pytestmark = pytest.mark.campaigns

CAMPAIGN = """\
name = "hungry"
sandboxes = ["container"]
workloads = ["startup", "{hungry}", "checksum"]
blocks_min = 1
blocks_max = 1
memory_mib = 64
"""
HUNGRY = """\
name = "hungry"
title = "Takes more memory than there is"
command = ["/bin/busybox", "sh", "-c", "{command}"]
seconds = 1
timeout_s = 30
pattern = "(?P<events>[0-9]+) (?P<seconds>[0-9]+)"
event = "one"
"""

GREEDY = """
import sys
from pathlib import Path
from benchmarks.session.measure import measure
from tests.unit.conftest import Silent, fake_campaign
class Greedy(Silent):
    def visiting(self, block, sandbox, remaining_s):
        super().visiting(block, sandbox, remaining_s)
        if len(self.visits) == 6:
            self.hoard = b"x" * (256 << 20)
sys.stdin.readline()
out, state, resume = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] == ["resume"]
observer = Silent() if resume else Greedy()
plan = fake_campaign()
measure(plan, out, image=None, state=state, tare_version="0", observer=observer, resume=resume)
"""


@pytest.mark.parametrize(
    "command",
    [
        "head -c 200m /dev/zero | tail -c 190m | wc -c",
        # what a tool makes of its child's death is its own affair
        "head -c 200m /dev/zero | tail -c 190m; echo 1 1",
    ],
)
def test_a_workload_without_memory_says_so_and_the_rest_is_kept(
    image: Image, tmp_path: Path, command: str
) -> None:
    del image
    hungry = tmp_path / "hungry.toml"
    hungry.write_text(HUNGRY.replace("{command}", command))
    campaign = tmp_path / "campaign.toml"
    campaign.write_text(CAMPAIGN.replace("{hungry}", str(hungry)))
    await_turn()
    done = subprocess.run(
        [sys.executable, "-m", "tare", "run", str(campaign), "--out", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 1, done.stderr  # a workload gave nothing
    samples = runfolder.load(tmp_path / "run").samples
    lacked = [one for one in samples if one.workload == "hungry"]
    assert {one.status for one in lacked} == {Status.OUT_OF_MEMORY}
    assert all(one.value is None for one in lacked)
    assert "ran out of memory: the kernel killed 1 of its processes" in (lacked[0].detail or "")
    assert {one.status for one in samples if one.workload != "hungry"} == {Status.OK}
    assert "out-of-memory" in (tmp_path / "run" / "report.html").read_text()


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A memory group of 160 MiB, to be killed in."""
    host = layout.current()
    parent = Path(host.roots.get("memory") or host.roots["unified"])
    folder = parent / f"tare-test-{os.getpid()}"
    folder.mkdir()
    try:
        file = "memory.max" if (folder / "memory.max").exists() else "memory.limit_in_bytes"
        (folder / file).write_text(str(160 << 20))
        yield folder
    finally:
        folder.rmdir()


def test_a_campaign_that_the_oom_killer_ends_is_resumed(small_group: Path, tmp_path: Path) -> None:
    out, state = tmp_path / "run", tmp_path / "state"
    process = subprocess.Popen(
        [sys.executable, "-c", GREEDY, str(out), str(state)], stdin=subprocess.PIPE, text=True
    )
    (small_group / "cgroup.procs").write_text(str(process.pid))
    process.communicate("go\n", timeout=240)
    assert process.returncode == -9
    kept = len(runfolder.load(out).visits)
    assert kept == 5
    done = subprocess.run(
        [sys.executable, "-c", GREEDY, str(out), str(state), "resume"],
        input="go\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert len(runfolder.load(out).visits) == 12
