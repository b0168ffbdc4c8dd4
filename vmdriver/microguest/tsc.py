"""Measure the host's time stamp counter, for guests that have nothing to measure it by.

A microvm with ACPI has no PIT, HPET or PM timer. KVM tells its guest the speed; under TCG the
guest's counter is the host's, and Linux waits for ever for a tick unless it is told
(``tsc_early_khz``, Linux ``admin-guide/kernel-parameters.txt``).
"""

import functools
import platform
import subprocess
import sys

from vmdriver.errors import ConfigError
from vmdriver.microguest import programs, tsc_counter

_SECONDS = 0.05
_LIMIT_S = 5.0


@functools.cache
def host_khz() -> int:
    """Ticks a millisecond, measured once in a process; takes 0.1 s.

    Raises:
        ConfigError: this is no x86-64, or it refuses executable memory.
    """
    if platform.machine() != "x86_64":
        raise ConfigError(f"there is no time stamp counter on {platform.machine()}")
    code = programs.READ_TSC.hex()
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", tsc_counter.__file__, code, str(_SECONDS)],
            capture_output=True,
            text=True,
            check=True,
            timeout=_LIMIT_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(
            f"the speed of this host's time stamp counter cannot be measured ({error}); "
            "a microvm under TCG needs it, use another machine type"
        ) from error
    return int(done.stdout)
