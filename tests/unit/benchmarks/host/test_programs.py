"""A slow, silent, broken or missing program is a sentence and never the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.host import programs

if TYPE_CHECKING:
    from pathlib import Path


def program(folder: Path, text: str, mode: int = 0o755) -> str:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo one 1.2; echo more", "one 1.2"),
        ("echo one 1.2 >&2", "one 1.2"),
        ("exit 3", "unknown (it ended with 3)"),
        ("echo no library >&2; exit 127", "unknown (no library)"),
        ("true", "unknown (it said nothing)"),
        ("printf '\\377\\n'", "\N{REPLACEMENT CHARACTER}"),
        ("exec sleep 30", "unknown (it did not answer within 0.2 s)"),
    ],
)
def test_what_a_program_says(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "LIMIT_S", 0.2 if "sleep" in text else 30)
    assert programs.said(program(tmp_path, text)) == said
    assert programs.version(program(tmp_path, text)) == (said if "unknown (" not in said else None)


def test_what_cannot_be_run_is_said(tmp_path: Path) -> None:
    assert programs.said(str(tmp_path / "none")) == "unknown (No such file or directory)"
    refused = programs.said(program(tmp_path, "true", 0o644))
    assert refused == "unknown (Permission denied)"
