from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from benchmarks.errors import MeasurementError
from benchmarks.sandboxes.capture import FirstByte, Pipes


def child(pipes: Pipes, code: str) -> subprocess.Popen[bytes]:
    stdin, stdout, stderr = pipes.stdio
    command = [sys.executable, "-I", "-S", "-c", code]
    return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr)


def test_both_streams_arrive_whole_and_apart() -> None:
    code = "import sys; sys.stdout.write('o' * 3_000_000); sys.stderr.write('e' * 3_000_000)"
    with Pipes() as pipes, child(pipes, code):
        out, err = pipes.collect(30, "the child")
    assert out == b"o" * 3_000_000
    assert err == b"e" * 3_000_000


def test_standard_input_is_read_to_its_end() -> None:
    given = os.urandom(200_000)
    with Pipes(given) as pipes, child(pipes, "import sys; print(len(sys.stdin.buffer.read()))"):
        out, _ = pipes.collect(30, "the child")
    assert int(out) == len(given)


def test_a_hanging_child_is_a_timeout_in_words() -> None:
    with Pipes() as pipes:
        process = child(pipes, "import time; time.sleep(60)")
        with pytest.raises(MeasurementError, match=r"child did not end within 0\.2 s") as caught:
            pipes.collect(0.2, "the child")
        process.kill()
        process.wait()
    assert caught.value.timed_out


def test_a_flood_of_output_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.sandboxes.capture.OUTPUT_LIMIT_BYTES", 1 << 20)
    with Pipes() as pipes:
        process = child(pipes, "while True: print('x' * 10_000)")
        with pytest.raises(MeasurementError, match="wrote more than 1 MiB"):
            pipes.collect(30, "the child")
        process.kill()
        process.wait()


def test_the_first_byte_is_stamped_when_it_arrives() -> None:
    with FirstByte() as first:
        time.sleep(0.05)
        before = time.monotonic_ns()
        os.write(first.child, b"m")
        stamp = first.stamp(60)
        after = time.monotonic_ns()
    assert stamp is not None
    assert before <= stamp <= after


def test_a_child_that_dies_silently_ends_the_wait_at_once() -> None:
    with FirstByte() as first:
        first.close_child_end()
        began = time.monotonic()
        assert first.stamp(120) is None
        assert time.monotonic() - began < 60
