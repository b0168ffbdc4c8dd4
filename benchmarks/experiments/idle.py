"""What an idle instance costs the host as long as it stands: CPU time, and how often it wakes up.

An instance that only waits still has timers: an init that looks for children, a guest kernel's
ticks, a VMM's own loop. Each wake-up takes a CPU out of its sleep, which costs power and others'
time slices even where the CPU time is hardly anything.

Sources: proc_pid_schedstat (Documentation/scheduler/sched-stats.rst: nanoseconds on the CPU), and
``voluntary_ctxt_switches`` in proc_pid_status(5): a thread that gave the CPU up to wait was woken
before it could do so again.
"""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.errors import MeasurementError
from benchmarks.experiments.base import SECONDS, Cadence, Context, Experiment
from benchmarks.experiments.memory import Settling
from benchmarks.results import metrics
from benchmarks.results.records import Direction, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.results.metrics import Row
    from benchmarks.sandboxes.base import Instance

PROC = Path("/proc")

_SLEPT = re.compile(r"^voluntary_ctxt_switches:\s+(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Idle:
    """What an idle instance took of the host, for each second that it stood.

    Attributes:
        cpu_s_per_s: CPU seconds of all threads of its host processes.
        charged_s_per_s: CPU seconds that the kernel charged to its control group; None without one.
        wakeups_per_s: How often one of its threads was woken.
        threads: Host threads it has.
    """

    cpu_s_per_s: float
    charged_s_per_s: float | None
    wakeups_per_s: float
    threads: int


class Thread(NamedTuple):
    """What the kernel has counted for one thread so far."""

    ran_ns: int
    slept: int


class IdleCost(Experiment):
    """What an instance costs that nobody asks anything of."""

    name = metrics.IDLE
    title = "CPU time and wake-ups of an idle instance"
    cadence = Cadence.VISIT
    emulated = False
    place = 20

    class Options(Settling, frozen=True):
        """How long it is watched.

        Attributes:
            idle_s: How long ``idle`` watches an instance that does nothing, in seconds.
        """

        rules = (*Settling.rules, ("idle_s", SECONDS))
        idle_s: float = 3.0

    options: Options

    @classmethod
    def rows(cls) -> Iterable[Row]:
        lower, share = Direction.LOWER, Unit.SECONDS_PER_SECOND
        cpu = "host CPU of an idle instance"
        yield "idle_cpu_s_per_s", share, lower, f"{cpu}, all threads of its processes"
        yield "idle_charged_s_per_s", share, lower, f"{cpu}, as charged to its control group"
        told = "wake-ups of an idle instance's threads on the host"
        yield "idle_wakeups_per_s", Unit.PER_SECOND, lower, told
        yield "idle_threads", Unit.COUNT, lower, "host threads of an idle instance"

    def estimate(self, start_s: float) -> float:
        return self.options.settle_s + self.options.idle_s

    def run(self, context: Context) -> None:
        """Watch the instance once it has settled: reading its memory before was work, too."""
        time.sleep(self.options.settle_s)
        context.record.begin()
        try:
            found = measure(context.instance, self.options.idle_s)
        except MeasurementError as error:
            context.record.failed(self.metrics(), error)
            return
        values = {f"idle_{figure}": value for figure, value in asdict(found).items()}
        context.record.each(self.metrics(), values)


def measure(instance: Instance, seconds: float) -> Idle:
    """Watch an instance that nobody asks anything of; reads only at both ends.

    Raises:
        MeasurementError: It has no process on the host that could be read.
    """
    charged_before = instance.charged_cpu_seconds()
    began, before = time.monotonic(), threads(instance.pids())
    time.sleep(seconds)
    took, after = time.monotonic() - began, threads(instance.pids())
    charged_after = instance.charged_cpu_seconds()
    if not after:
        raise MeasurementError("the instance has no process on the host whose threads can be read")
    nothing = Thread(0, 0)
    # one that is new has done all it did in between; one that is gone takes its account along
    ran = sum(now.ran_ns - before.get(key, nothing).ran_ns for key, now in after.items())
    slept = sum(now.slept - before.get(key, nothing).slept for key, now in after.items())
    charged = None
    if charged_before is not None and charged_after is not None:
        charged = (charged_after - charged_before) / took
    return Idle(ran / 1e9 / took, charged, slept / took, len(after))


def threads(pids: Iterable[int], proc: Path = PROC) -> dict[tuple[int, int], Thread]:
    """Return the accounts of all threads of some processes, by process and thread id.

    Args:
        pids: Host processes; one that has ended is left out.
        proc: Where /proc is; another directory only in tests.
    """
    found = {}
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in (proc / str(pid) / "task").iterdir():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    ran = (task / "schedstat").read_text().split()
                    slept = _SLEPT.search((task / "status").read_text())
                    found[pid, int(task.name)] = Thread(int(ran[0]), int(slept[1]) if slept else 0)
    return found
