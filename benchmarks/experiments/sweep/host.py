"""The host's side of a sweep: the same agent, in a process that can be given up."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.experiments.sweep import listing, wire
from benchmarks.experiments.sweep.model import UnreadableSweepError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_GRACE_S = 10.0


def read(paths: Sequence[str]) -> wire.Answer:
    """Read files of the host.

    Raises:
        UnreadableSweepError: The reader did not come back.
    """
    process = subprocess.Popen(
        wire.reading(sys.executable),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        out, _ = process.communicate(listing.encode(paths), wire.READ_SECONDS + _GRACE_S)
    except subprocess.TimeoutExpired as error:
        process.kill()
        raise UnreadableSweepError(
            f"the host's own reader (process {process.pid}) hangs in a file of /proc or /sys; "
            "see its stack, and add the file to the sweep's list of what is left out"
        ) from error
    return wire.parse(out, len(paths))


@contextmanager
def holds(act: str, amount: int) -> Iterator[int]:
    """Hold something on the host for the length of a context; it goes with its process.

    Yields:
        The process that holds it.

    Raises:
        UnreadableSweepError: The host refused.
    """
    with subprocess.Popen(
        wire.holding(act, amount, interpreter=sys.executable),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if process.stdout.readline() != b"holding\n":
                raise UnreadableSweepError(f"the host could not hold {amount} of {act!r}")
            yield process.pid
        finally:
            process.stdin.close()
