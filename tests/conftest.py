"""What all tests share."""

from __future__ import annotations

import signal

# A shell's background job, as a CI may start one, ignores SIGINT, and what it starts inherits that
# (POSIX, "2.11. Signals and Error Handling"). Tests that interrupt something need the default.
signal.signal(signal.SIGINT, signal.default_int_handler)
