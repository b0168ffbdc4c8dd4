"""``vm:restored`` as far as no guest is needed: it runs once at a time, and says so."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from benchmarks.errors import NotSupportedError
from benchmarks.sandboxes.kinds.vm_restored import RestoredSandbox


class Driver:
    """Resumes what is nothing but open or closed."""

    def restore(self, *_: object) -> Guest:
        return Guest()


class Guest:
    closed = False


def test_a_second_one_at_the_same_time_is_not_supported() -> None:
    sandbox = RestoredSandbox.__new__(RestoredSandbox)  # another would audit the accelerators
    sandbox._driver, sandbox._saved = Driver(), Path("guest")  # type: ignore[assignment]
    sandbox._starting, sandbox._resumed = threading.Lock(), None
    first = sandbox._run(None)  # type: ignore[arg-type]
    with pytest.raises(NotSupportedError, match=r"one at a time: .* guest that was saved"):
        sandbox._run(None)  # type: ignore[arg-type]
    first.closed = True  # type: ignore[misc]
    assert sandbox._run(None) is not first  # type: ignore[arg-type]
    sandbox._resumed.closed = True  # type: ignore[misc, union-attr]
    with sandbox._starting, pytest.raises(NotSupportedError, match="one at a time"):
        sandbox._run(None)  # type: ignore[arg-type]
