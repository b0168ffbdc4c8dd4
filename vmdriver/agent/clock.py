"""Compare the guest's wall clock with the host's, and set it.

The guest answers once between two readings of the host's clock, so the truth lies within half of
what lies between them (Cristian 1989, "Probabilistic clock synchronization"). The best of a few
answers counts. A restored guest goes on with the time it was saved at, unless its clock source
tells it better.
"""

import re
import time
from dataclasses import dataclass

from vmdriver.agent.files import RunScript
from vmdriver.errors import VmError

_ASK = 5
_FIELD = re.compile(rb"(status|time\.tv_u?sec): +(\d{1,19})")
_STA_NANO = 0x2000
_NS = 1_000_000_000
_SOON_NS = 300_000_000


@dataclass(frozen=True)
class ClockOffset:
    """How far the guest's CLOCK_REALTIME is ahead of the host's.

    Attributes:
        offset_ns: nanoseconds; negative where the guest is behind.
        uncertainty_ns: the truth lies within so many nanoseconds of it.
    """

    offset_ns: int
    uncertainty_ns: int


def offset(run: RunScript, timeout_s: float) -> ClockOffset:
    """Ask the guest for its time. Raises VmError."""
    return min((_ask(run, timeout_s) for _ in range(_ASK)), key=lambda found: found.uncertainty_ns)


def synchronize(run: RunScript, timeout_s: float) -> ClockOffset:
    """Set the guest's clock to the host's; what is left of the offset. Raises VmError.

    A guest sets whole seconds, so the request is sent when one is about to begin here.
    """
    delay = _ask(run, timeout_s).uncertainty_ns
    second = (time.time_ns() + _SOON_NS + delay) // _NS + 1
    time.sleep(max(0, second * _NS - delay - time.time_ns()) / _NS)
    done = run(f"date -u -s @{second} > /dev/null", timeout_s=timeout_s)
    if done.exit_code != 0:
        words = done.stderr.decode(errors="replace").strip()
        raise VmError(f"the guest's clock cannot be set: {words}")
    return offset(run, timeout_s)


def _ask(run: RunScript, timeout_s: float) -> ClockOffset:
    # Both readings of the host are its wall clock: a step of it between them would show in neither.
    before = time.time_ns()
    done = run("adjtimex", timeout_s=timeout_s)
    after = time.time_ns()
    return ClockOffset(
        parse_adjtimex(done.stdout) - (before + after) // 2, (after - before + 1) // 2
    )


def parse_adjtimex(adjtimex: bytes) -> int:
    """Nanoseconds since the epoch in what busybox's ``adjtimex`` prints, its one exact clock.

    Its fraction is in nanoseconds where the status says so (``STA_NANO``, adjtimex(2)).
    """
    found = {name: int(value) for name, value in _FIELD.findall(adjtimex)}
    try:
        unit = 1 if found[b"status"] & _STA_NANO else 1000
        return found[b"time.tv_sec"] * _NS + found[b"time.tv_usec"] * unit
    except KeyError as error:
        raise VmError(f"the guest does not tell its time: it said {adjtimex!r}") from error
