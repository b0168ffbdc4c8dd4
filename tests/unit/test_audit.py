from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import audit, runfolder
from benchmarks.records import Status

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.unit.conftest import Measure

MOUNTINFO = """\
24 1 254:0 / / rw,relatime - ext4 /dev/vda rw
90 24 0:60 / /run/tare/native rw - tmpfs tare-0123456789ab rw
91 24 0:61 / /home/tare-x rw - tmpfs other rw
"""


def test_a_mount_of_ours_is_named_and_others_are_not(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTINFO)
    monkeypatch.setattr(audit, "_MOUNTS", tmp_path / "mountinfo")
    mounts = [trace for trace in audit.traces() if trace.startswith("mount")]
    assert mounts == ["mount /run/tare/native"]


def test_a_leftover_fails_a_sample_by_name(
    tmp_path: Path,
    measure: Measure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = iter(frozenset(f"mount /left/{n}" for n in range(count)) for count in range(100))
    monkeypatch.setattr(audit, "traces", lambda: next(seen))
    measure(tmp_path / "run")
    failed = [s for s in runfolder.load(tmp_path / "run").samples if s.status is Status.FAILED]
    assert failed
    assert all("left behind on the host: mount /left/" in (s.detail or "") for s in failed)
