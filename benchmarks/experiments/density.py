"""How much of the host's memory each further idle instance takes: N of them at once.

One instance more says little: what it shares with others (the kernel's page cache of the image, a
program's text, KSM's merged pages) is paid by the first. So instances are started one after the
other and kept, MemAvailable is read once it has settled, and a line is fitted: its slope is what a
further instance takes, its intercept what the first pays for all. What was shared is read beside
it: pages that KSM merged (Documentation/admin-guide/mm/ksm.rst), and the page cache of files.
"""

from __future__ import annotations

import resource
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.errors import MeasurementError, NotSupportedError
from benchmarks.experiments.base import FRACTION, Cadence, Context, Experiment, at_least
from benchmarks.experiments.leftovers import record_leftovers
from benchmarks.experiments.memory import Settling
from benchmarks.host import fingerprint
from benchmarks.results import metrics
from benchmarks.results.records import Direction, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.results.metrics import Row
    from benchmarks.sandboxes.base import Sandbox

_KSM = Path("/sys/kernel/mm/ksm/pages_sharing")
_FEWEST = 3
"""Two points make a line and tell nothing of how well it fits."""


class ManyInstances(Experiment):
    """Idle instances that stand at once."""

    name = metrics.DENSITY
    title = "memory of each further idle instance"
    cadence = Cadence.BLOCK
    place = 30

    class Options(Settling, frozen=True):
        """When to stop starting more.

        Attributes:
            density_max: Most instances at once of ``density``.
            density_available: Share of the host's memory that ``density`` leaves available.
        """

        rules = (
            *Settling.rules,
            ("density_max", at_least(_FEWEST)),
            ("density_available", FRACTION),
        )
        density_max: int = 16
        density_available: float = 0.25

    options: Options

    @classmethod
    def rows(cls) -> Iterable[Row]:
        lower, neither, size = Direction.LOWER, Direction.NEITHER, Unit.BYTES
        more = "host memory that each further idle instance takes"
        yield "density_slope_bytes", size, lower, more
        once = "host memory that idle instances take once for all"
        yield "density_intercept_bytes", size, lower, once
        count = "idle instances that stood at once, up to the campaign's ceiling"
        yield "density_count", Unit.COUNT, Direction.HIGHER, count
        merged = "growth of what KSM has merged on the host while they stood"
        yield "density_merged_bytes", size, neither, merged
        cached = "growth of the host's page cache of files while they stood, shared by all"
        yield "density_cached_bytes", size, neither, cached

    def estimate(self, start_s: float) -> float:
        return self.options.density_max * (start_s + self.options.settle_s)

    def run(self, context: Context) -> None:
        """Start as many as may stand, and record what they came to."""
        ceiling = Ceiling(self.options.density_max, self.options.density_available)
        try:
            found = measure(context.sandbox, ceiling, self.options.settle_s)
        except MeasurementError as error:
            context.record.failed(self.metrics(), error)
            return
        said = (
            f"{found.count} instances, ended by {found.ended_by}; slope {found.low_bytes:.0f} to "
            f"{found.high_bytes:.0f} bytes (95 %, Theil-Sen)"
        )
        values = {f"density_{figure}": value for figure, value in asdict(found).items()}
        context.record.each(self.metrics(), values, said)
        record_leftovers(context, self.metrics())


@dataclass(frozen=True)
class Ceiling:
    """When to stop starting more.

    Attributes:
        instances: Most instances at once.
        available: Share of the host's memory that must stay available.
    """

    instances: int
    available: float


@dataclass(frozen=True)
class Density:
    """What came of it.

    Attributes:
        count: How many instances stood at once.
        slope_bytes: Memory that each further instance takes (Theil-Sen, robust against what the
            host did meanwhile).
        low_bytes: Lower end of the slope's 95 % interval, over pairs of points.
        high_bytes: Upper end.
        intercept_bytes: Memory that is taken once for all of them.
        merged_bytes: Growth of what KSM saves (pages_sharing); None where the kernel has no KSM.
        cached_bytes: Growth of the page cache of files, which all instances share.
        ended_by: Why no more were started, in words.
    """

    count: int
    slope_bytes: float
    low_bytes: float
    high_bytes: float
    intercept_bytes: float
    merged_bytes: float | None
    cached_bytes: float
    ended_by: str


@dataclass
class _Points:
    """Numbers of instances, and the memory that was taken from the host with as many."""

    numbers: list[int] = field(default_factory=list)
    taken: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class _Shared:
    """What the host holds once for several."""

    merged_bytes: float | None
    cached_bytes: float

    @classmethod
    def now(cls) -> _Shared:
        memory = fingerprint.meminfo()
        # a tmpfs counts as cached in /proc/meminfo, and is nobody's cache
        files = memory.get("Cached", 0) - memory.get("Shmem", 0) + memory.get("Buffers", 0)
        try:
            merged = float(int(_KSM.read_text()) * resource.getpagesize())
        except (OSError, ValueError):
            merged = None
        return cls(merged, float(files))

    def since(self, before: _Shared) -> _Shared:
        merged = None
        if self.merged_bytes is not None and before.merged_bytes is not None:
            merged = self.merged_bytes - before.merged_bytes
        return _Shared(merged, self.cached_bytes - before.cached_bytes)


def measure(sandbox: Sandbox, ceiling: Ceiling, settle_s: float) -> Density:
    """Start as many idle instances as the ceiling allows, fit the line, and stop them all.

    Raises:
        NotSupportedError: There cannot be as many of this sandbox.
        MeasurementError: Fewer than three could be had, or one did not stop.
    """
    points = _Points()
    floor = ceiling.available * psutil.virtual_memory().total
    ended_by = f"the ceiling of {ceiling.instances} instances"
    before, shared = _available(settle_s), _Shared.now()
    with ExitStack() as stack:
        count = 0
        while count < ceiling.instances:
            try:
                stack.enter_context(sandbox.start())
            except NotSupportedError:
                raise  # not a limit of this host: there are no more of it anywhere
            except MeasurementError as error:
                ended_by = f"instance {count + 1} did not start: {error}"
                break
            count += 1
            if not _is_point(count, ceiling.instances):
                continue
            now = _available(settle_s)
            points.numbers.append(count)
            points.taken.append(before - now)
            if now < floor:
                ended_by = f"less than {ceiling.available:.0%} of the host's memory available"
                break
        grown = _Shared.now().since(shared)
    if len(points.numbers) < _FEWEST:
        raise MeasurementError(
            f"{len(points.numbers)} readings are too few for a line, {_FEWEST} are needed; "
            f"ended by {ended_by}",
        )
    return _fit(points, count, grown, ended_by)


def _fit(points: _Points, count: int, grown: _Shared, ended_by: str) -> Density:
    from scipy.stats import theilslopes

    slope, intercept, low, high = theilslopes(points.taken, points.numbers)
    return Density(
        count=count,
        slope_bytes=float(slope),
        low_bytes=float(low),
        high_bytes=float(high),
        intercept_bytes=float(intercept),
        merged_bytes=grown.merged_bytes,
        cached_bytes=grown.cached_bytes,
        ended_by=ended_by,
    )


def _is_point(number: int, most: int) -> bool:
    """Tell whether memory is read with so many: 1, 2, 3, 4, 6, 8, 12, 16 … and with the most."""
    power = 1 << (number.bit_length() - 1)
    return number in {most, power, power + power // 2}


def _available(settle_s: float) -> float:
    """Return MemAvailable (proc_meminfo(5)) after a pause, in bytes."""
    time.sleep(settle_s)
    return float(psutil.virtual_memory().available)
