"""Table of faults in docs/vmdriver.md, and a check that an error is reported as it says."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import vmdriver
from vmdriver import VmError

PAGE = Path(__file__).parents[2] / "docs" / "vmdriver.md"
_ROW = re.compile(r"\| (?P<fault>[^|]+) \| `(?P<error>\w+)` \| (?P<message>[^|]+) \|")
_ANY = re.compile(r"…|\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Fault:
    """A row of the table.

    Attributes:
        fault: its name, by which a test brings it about.
        error: the class of the error.
        message: what is said; ``…`` stands for anything, and a number for any number.
    """

    fault: str
    error: type[VmError]
    message: str

    def is_told_by(self, words: str) -> bool:
        pattern = "".join(
            r"[\d.]+" if part[0].isdigit() else ".*" if part == "…" else re.escape(part)
            for part in re.split(f"({_ANY.pattern})", self.message)
            if part
        )
        return re.fullmatch(pattern, words) is not None


def table() -> dict[str, Fault]:
    """The rows by the fault's name."""
    rows = (_ROW.fullmatch(line) for line in PAGE.read_text(encoding="utf-8").splitlines())
    return {
        row["fault"]: Fault(row["fault"], getattr(vmdriver, row["error"]), row["message"])
        for row in rows
        if row is not None
    }


@contextmanager
def told(fault: str) -> Iterator[None]:
    """What the block does must fail as the table says of ``fault``, in one sentence."""
    expected = table()[fault]
    with pytest.raises(VmError) as caught:
        yield
    words = str(caught.value)
    assert caught.type is expected.error, words
    assert "\n" not in words
    assert expected.is_told_by(words), f"\n  said: {words}\n  page: {expected.message}"
