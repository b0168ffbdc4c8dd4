"""The command's exit codes, and which error ends with which.

The CLI catches errors in one place, ``tare.cli.main``; everything the packages raise on purpose
is one of their root errors and becomes one sentence on standard error.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a caller can tell from the exit status."""

    OK = 0
    ERROR = 1
    USAGE = 2
    REGRESSION = 3
    UNSUITABLE = 4
    INCONCLUSIVE = 5
    BUSY = 6
    INTERRUPTED = 130
