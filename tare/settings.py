"""Where tare keeps things on this host."""

from __future__ import annotations

import os
import time
from pathlib import Path

import platformdirs


def state_folder() -> Path:
    """Return the folder for what a crash would leave behind.

    It is short, because libvirt and QEMU put sockets below it and a socket's path ends at 108
    bytes (unix(7)).
    """
    if os.geteuid() == 0:
        return Path("/run/tare")
    return Path(platformdirs.user_runtime_dir("tare"))


def new_run_folder(campaign: str) -> Path:
    """Return a path for a new run, named after the campaign and the time."""
    return Path("runs") / f"{campaign}-{time.strftime('%Y%m%d-%H%M%S')}"
