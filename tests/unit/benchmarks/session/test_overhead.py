"""The versions of tools never fail a run."""

import os
from pathlib import Path

import pytest

from benchmarks.host import programs
from benchmarks.session import overhead


def test_a_tool_that_is_slow_broken_or_silent_has_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, broken, silent, good = (tmp_path / name for name in ("slow", "broken", "silent", "good"))
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    broken.write_text("no program")
    silent.write_text("#!/bin/sh\n")
    good.write_text("#!/bin/sh\necho good 1.2; echo more\n")
    for path in tmp_path.iterdir():
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(overhead, "_PROGRAMS", ("broken", "silent", "good", "not-there"))
    monkeypatch.setattr(overhead, "_PACKAGES", ("psutil", "no-such-library"))
    versions = overhead.tool_versions()
    assert versions.pop("psutil")
    assert versions == {
        "no-such-library": None,
        "broken": None,
        "silent": None,
        "good": "good 1.2",
    }
    monkeypatch.setattr(overhead, "_PROGRAMS", ("slow",))
    monkeypatch.setattr(programs, "LIMIT_S", 0.3)  # for this one alone: a busy host is slow, too
    assert overhead.tool_versions()["slow"] is None
