"""``tare shell``: lines in, output out, and nothing that a line says ends the loop by mistake."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.errors import MeasurementError
from benchmarks.sandboxes.base import Completed
from tare import cli
from tare.commands import shell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Echoing:
    """An instance whose shell says what it was asked; one line hangs."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def run(self, args: Sequence[str], *, timeout_s: float) -> Completed:
        self.lines.append(args[-1])
        if args[-1] == "hang":
            raise MeasurementError(f"it did not end within {timeout_s:g} s")
        return Completed(len(args[-1]), b"said\n", b"beside\n", 0.1)


def lines(given: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[str]]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    instance: Any = Echoing()
    return shell._lines(instance, "box", 1.0), instance.lines


def test_each_line_is_run_and_the_last_ones_status_returned(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert lines(b"id\n\n  \nexit 3; echo", monkeypatch) == (12, ["id", "exit 3; echo"])
    out, err = capfdbinary.readouterr()
    assert out == b"said\n" * 2
    assert err == b"beside\n" * 2


def test_exit_ends_and_a_line_that_hangs_does_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lines(b"hang\nid\nexit\nnever\n", monkeypatch) == (2, ["hang", "id"])
    assert "did not end within 1 s" in capsys.readouterr().err
    assert lines(b"id\nhang\n", monkeypatch)[0] == 1


@pytest.mark.parametrize("line", [b"x" * (65 << 10), b"nul\0"])
def test_what_is_no_line_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: bytes
) -> None:
    assert lines(line + b"\nid\n", monkeypatch) == (2, [])
    assert "a line is text of at most 65,536 bytes" in capsys.readouterr().err


@pytest.fixture
def at_its_stdin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A line on standard input, and a host's state of one's own."""
    monkeypatch.setattr("tare.commands.shell.state_folder", lambda: tmp_path / "state")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"id\n")))


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("contaner", 2, "did you mean 'container'?"),
        ("fake", 1, "the fake sandbox has no /bin/sh"),
    ],
)
def test_a_sandbox_without_a_shell_is_one_sentence(
    at_its_stdin: None, capsys: pytest.CaptureFixture[str], name: str, code: int, sentence: str
) -> None:
    del at_its_stdin
    with pytest.raises(SystemExit) as end:
        cli.main(["shell", name])
    assert end.value.code == code
    assert sentence in capsys.readouterr().err
