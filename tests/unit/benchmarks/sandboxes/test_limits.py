"""Swap space beside a memory limit: none, where the host has any and counts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.sandboxes import limits
from runtime.cgroups import layout

if TYPE_CHECKING:
    from pathlib import Path

HEADING = "Filename Type Size Used Priority\n"
DISK = "/dev/sda2 partition 1048572 0 -2\n"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with swap space and cgroups of version 1 that count it."""
    (tmp_path / "swaps").write_text(HEADING + DISK)
    (tmp_path / "cmdline").write_text("quiet\n")
    (tmp_path / "memory.memsw.limit_in_bytes").touch()
    monkeypatch.setattr(limits, "_SWAPS", tmp_path / "swaps")
    monkeypatch.setattr(limits, "_COMMAND_LINE", tmp_path / "cmdline")
    found = layout.Layout(v2="", v1={"memory": str(tmp_path)})
    monkeypatch.setattr(layout, "current", lambda: found)
    return tmp_path


def test_a_container_gets_none(host: Path) -> None:
    assert host.is_dir()
    assert limits.swap_bytes() == 0


def test_a_host_without_any_needs_no_limit(host: Path) -> None:
    (host / "swaps").write_text(HEADING)
    assert limits.swap_bytes() is None


def test_what_nobody_counts_cannot_be_limited(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (host / "memory.memsw.limit_in_bytes").unlink()
    assert limits.swap_bytes() is None
    monkeypatch.setattr(layout, "current", lambda: layout.Layout(v2=str(host), v1={}))
    assert limits.swap_bytes() == 0
    (host / "cmdline").write_text("quiet swapaccount=0\n")
    assert limits.swap_bytes() is None
