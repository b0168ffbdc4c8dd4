"""What all tests share."""

from __future__ import annotations

import signal

import hypothesis

# A shell's background job, as a CI may start one, ignores SIGINT, what nohup starts ignores SIGHUP,
# and what these start inherits that (POSIX, "2.11. Signals and Error Handling", nohup). Tests that
# interrupt something need the default.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# How long an example takes depends on who else is at work on the host, not on the code alone.
hypothesis.settings.register_profile("tare", deadline=None)
hypothesis.settings.load_profile("tare")
