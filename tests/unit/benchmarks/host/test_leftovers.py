from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.host import leftovers
from benchmarks.results import runfolder
from benchmarks.results.records import Status
from benchmarks.sandboxes.kinds.fake import FakeSandbox

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.unit.conftest import Measure

MOUNTINFO = """\
24 1 254:0 / / rw,relatime - ext4 /dev/vda rw
90 24 0:60 / /run/tare/native rw - tmpfs tare-0123456789ab rw
91 24 0:61 / /home/tare-x rw - tmpfs tare-another rw
"""


def test_groups_and_mounts_of_the_engine_are_named_and_others_are_not(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTINFO)
    monkeypatch.setattr(leftovers, "_MOUNTS", tmp_path / "mountinfo")
    for group in ("memory/spawner", "memory/container-1", "pids/spawner"):
        (tmp_path / group).mkdir(parents=True)
    groups = [tmp_path / "memory", tmp_path / "pids", tmp_path / "gone"]
    assert leftovers.traces("tare-0123456789ab", groups) == [
        f"control group {tmp_path}/memory/container-1",
        "mount /run/tare/native",
    ]


def test_a_leftover_fails_a_sample_by_name(
    tmp_path: Path,
    measure: Measure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FakeSandbox, "leftovers", lambda _: ["mount /left"])
    measure(tmp_path / "run")
    failed = [s for s in runfolder.load(tmp_path / "run").samples if s.status is Status.FAILED]
    assert failed
    assert all(s.detail == "left behind on the host: mount /left" for s in failed)
