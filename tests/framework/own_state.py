"""The command with a state folder of its own: the host's may be in use by a real campaign."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TARE = """
import sys
from pathlib import Path
from tare import cli, measure
from tare.commands import clean
state = Path(sys.argv[1])
measure.state_folder = clean.state_folder = lambda: state
clean._of_images = lambda **_: []  # the cache is everybody's
cli.main(sys.argv[2:])
"""


def tare(state: Path) -> list[str]:
    """The words that begin a command line."""
    return [sys.executable, "-c", _TARE, str(state)]
