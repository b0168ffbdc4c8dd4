"""The command, run as a program, with the state folder that TARE_APART names.

The host's may be in use: by a real campaign, or by a test in another process.
"""

from __future__ import annotations

import os
from pathlib import Path

from tare import cli, measure


def _state() -> Path:
    return Path(os.environ["TARE_APART"])


measure.state_folder = _state
cli.main()
