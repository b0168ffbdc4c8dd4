"""Wait for the turn of a test that runs a campaign: a host has one campaign at a time."""

from __future__ import annotations

import time

from benchmarks.errors import RunLockedError
from benchmarks.results import runfolder
from tare.settings import state_folder

_PATIENCE_S = 150


def await_turn() -> None:
    """Return once no campaign runs on this host, of another checkout's tests for one.

    Raises:
        RunLockedError: One ran all the time.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with runfolder.campaign_lock(state_folder() / "campaign.lock", "a test, for a moment"):
                return
        except RunLockedError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)
