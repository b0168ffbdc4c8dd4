"""Errors are one sentence on one line."""

from __future__ import annotations

import pytest

from runtime.errors import SetupError, SpecError


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain", "plain"),
        ("größe", "größe"),
        ("a\nb", r"a\nb"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\u202e", r"\u202e"),
        ("\udcff", r"\udcff"),
    ],
)
def test_what_would_break_the_line_is_written_out(name: str, shown: str) -> None:
    error = SetupError(f"mount on {name}", "no")
    assert str(error) == f"cannot mount on {shown}: no"
    assert error.operation == f"mount on {name}"
    assert str(SpecError("mounts[0]", name)) == f"mounts[0]: {shown}"
