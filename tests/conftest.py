"""What all tests share."""

from __future__ import annotations

import signal

import hypothesis

# A shell's background job, as a CI may start one, ignores SIGINT, and what it starts inherits that
# (POSIX, "2.11. Signals and Error Handling"). Tests that interrupt something need the default.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes depends on who else is at work on the host, not on the code alone.
hypothesis.settings.register_profile("tare", deadline=None)
hypothesis.settings.load_profile("tare")
