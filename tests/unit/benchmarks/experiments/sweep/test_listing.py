"""What the sweep reads, and what it keeps its hands off."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.experiments.sweep import agent, listing

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\n\0"), min_size=1, max_size=8)


@pytest.mark.parametrize(
    "path",
    [
        "/proc/kmsg",
        "/proc/kcore",
        "/proc/self/environ",
        "/proc/1/mem",
        "/proc/fs/ext4/sda1/mb_groups",
        "/proc/sys/vm/stat_refresh",
        "/sys/devices/pci0000:00/0000:00:01.0/config",
        "/sys/devices/pci0000:00/0000:00:01.0/resource0",
        "/sys/devices/pci0000:00/0000:00:01.0/resource0_wc",
        "/sys/devices/platform/i2c/eeprom",
        "/sys/power/wakeup_count",
    ],
)
def test_what_may_wedge_or_act_is_left_out(path: str) -> None:
    assert listing.left_out(path)


@pytest.mark.parametrize(
    "path",
    [
        "/proc/meminfo",
        "/proc/net/dev",
        "/proc/kpageflags",
        "/sys/devices/pci0000:00/0000:00:01.0/resource",
        "/sys/devices/system/cpu/online",
    ],
)
def test_the_rest_is_read(path: str) -> None:
    assert not listing.left_out(path)


def test_a_file_that_root_alone_may_read_is_no_command() -> None:
    """Reading /sys/class/zram-control/hot_add makes a block device."""
    found = listing.readable_files()
    assert "/proc/meminfo" in found
    assert "/sys/class/zram-control/hot_add" not in found
    commands = [path for path in found if path.startswith("/sys/class/")]
    assert all(Path(path).stat().st_mode & 0o004 for path in commands)


def test_nothing_that_cannot_be_read_and_no_link_is_listed(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("a")
    (tmp_path / "plain").chmod(0o444)
    (tmp_path / "command").write_text("a")
    (tmp_path / "command").chmod(0o200)
    (tmp_path / "secret").write_text("a")
    (tmp_path / "secret").chmod(0o400)
    (tmp_path / "link").symlink_to("plain")
    (tmp_path / "odd\nname").write_text("a")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "deep").write_text("a")
    found = listing.readable_files([str(tmp_path)])
    assert found == [f"{tmp_path}/plain", f"{tmp_path}/below/deep"]


def test_a_folder_that_is_not_there_holds_no_files() -> None:
    assert listing.readable_files(["/nonexistent"]) == []


@given(st.lists(st.tuples(NAMES, NAMES), max_size=12))
def test_a_listing_says_what_was_meant(pairs: list[tuple[str, str]]) -> None:
    paths = sorted(
        {f"/top/{folder}/{name}" for folder, name in pairs}, key=lambda p: p.rsplit("/", 1)
    )
    assert list(agent.paths_of(listing.encode(paths).decode())) == paths
