"""Logs of containers, fed through their pipes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.logs import Log

LINE = re.compile(rb"(\S+Z) (stdout|stderr) ([FP]) (.*)", re.DOTALL)


def read(path: Path) -> list[tuple[str, str, bytes]]:
    found = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        match = LINE.fullmatch(line)
        assert match
        found.append((match[2].decode(), match[3].decode(), match[4]))
    return found


def test_lines_keep_stream_and_order(tmp_path: Path) -> None:
    with Log(tmp_path / "log") as log:
        os.write(log.stdout, b"one\ntw")
        os.write(log.stdout, b"o\nrest")
        os.write(log.stderr, b"wrong\n")
    found = read(tmp_path / "log")
    assert [entry[1:] for entry in found if entry[0] == "stdout"] == [
        ("F", b"one"),
        ("F", b"two"),
        ("P", b"rest"),
    ]
    assert ("stderr", "F", b"wrong") in found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.binary(max_size=40_000), max_size=4))
def test_nothing_is_lost_or_added(tmp_path: Path, pieces: list[bytes]) -> None:
    with Log(tmp_path / "log") as log:
        for piece in pieces:
            os.write(log.stdout, piece)
    found = read(tmp_path / "log")
    text = b"".join(part + (b"\n" if kind == "F" else b"") for _, kind, part in found)
    assert text == b"".join(pieces)


def test_a_flood_is_kept_within_two_files(tmp_path: Path) -> None:
    with Log(tmp_path / "log", limit_bytes=4096) as log:
        for number in range(2000):
            os.write(log.stdout, b"line %d\n" % number)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= 4096
    assert read(tmp_path / "log")[-1][2] == b"line 1999"


def test_a_full_disk_is_told_and_does_not_hold_the_writer_up() -> None:
    log = Log(Path("/dev/full"))
    os.write(log.stdout, b"x\n" * 200_000)
    with pytest.raises(OSError, match="No space left"):
        log.close()


def test_a_file_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Log(tmp_path / "absent" / "log")
