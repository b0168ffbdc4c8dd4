"""The sweep's agent in a process of its own, as it runs in every sandbox."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import psutil
import pytest

from benchmarks.experiments.sweep import agent, host, listing, wire
from benchmarks.experiments.sweep.model import UnreadableSweepError

if TYPE_CHECKING:
    from pathlib import Path


def read(paths: list[str], *, source: str = "", seconds: float = 5) -> list[str]:
    program = f"{inspect.getsource(agent)}\n{source}\nread_all({seconds})\n"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        input=listing.encode(paths),
        capture_output=True,
        check=True,
    )
    return wire.parse(done.stdout, len(paths)).lines


def test_each_file_gets_one_answer_in_order(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"one\\two\n\xff\0")
    (tmp_path / "long").write_bytes(b"x" * 20_000)
    (tmp_path / "empty").touch()
    names = ["text", "long", "gone", "empty"]
    text, long, gone, empty = read([f"{tmp_path}/{name}" for name in names])
    assert text == "Tone\\two\n\xff\0"
    assert len(long) == 1 + agent.MOST_BYTES
    assert gone == "EENOENT"
    assert empty == "T"


def test_a_mask_is_told_from_an_empty_file() -> None:
    assert read(["/dev/null"]) == ["N"]


def test_a_pipe_that_waits_for_a_writer_does_not_wedge_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read([f"{tmp_path}/pipe"]) == ["T"]


def test_a_file_that_takes_too_long_is_given_up_and_the_next_one_read(tmp_path: Path) -> None:
    (tmp_path / "slow").touch()
    (tmp_path / "text").write_text("a")
    wedge = (
        "plainly = read_one\n"
        "def read_one(path):\n"
        "    if path.endswith('slow'): time.sleep(30)\n"
        "    return plainly(path)\n"
    )
    slow, text = read([f"{tmp_path}/slow", f"{tmp_path}/text"], source=wedge)
    assert slow.startswith("Xreading it took too long")
    assert text == "Ta"


def test_what_is_left_when_the_time_is_up_is_an_error_and_not_safe(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a")
    (line,) = read([f"{tmp_path}/text"], seconds=-1)
    assert line.startswith("X")


@pytest.mark.parametrize(
    "printed",
    [b"", b"sweep\nTa\n", b"Ta\nend 1 0\n", b"sweep\nend 0 0\n", b"sweep\nTa\nTb\nend 2 0\n"],
    ids=["nothing", "no end", "no head", "too few", "too many"],
)
def test_an_answer_that_is_cut_short_is_refused(printed: bytes) -> None:
    with pytest.raises(UnreadableSweepError):
        wire.parse(printed, 1)


def test_mounts_over_proc_are_told() -> None:
    answer = wire.parse(b"sweep\nM tmpfs /proc/acpi\nEENOENT\nend 2 0.1\n", 1)
    assert answer.masks == {"/proc/acpi": "tmpfs"}
    assert answer.lines == ["EENOENT"]


@pytest.mark.parametrize("act", sorted(agent.ACTS))
def test_what_is_held_goes_with_its_context(act: str) -> None:
    with host.holds(act, 3) as holder:
        family = [psutil.Process(holder), *psutil.Process(holder).children()]
    assert len(family) == (4 if act == "fork" else 1)
    assert psutil.wait_procs(family, timeout=60)[1] == []


def test_a_host_that_cannot_hold_says_so() -> None:
    with (
        pytest.raises(UnreadableSweepError, match="could not hold"),
        host.holds("allocate", 1 << 40),
    ):
        pytest.fail("it cannot hold that much")


def test_locks_of_the_agent_are_seen() -> None:
    with host.holds("lock", 20):
        locks = read(["/proc/locks"])[0].splitlines()
    files = Counter(line.split()[5] for line in locks if "OFDLCK" in line)
    assert 20 in files.values()  # others on the host take and leave theirs meanwhile
