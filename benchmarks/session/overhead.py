"""What the harness itself adds to a measurement, and on what host and tools it stands."""

from __future__ import annotations

import functools
import platform
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import MeasurementError
from benchmarks.experiments import idle
from benchmarks.experiments.probes import engine
from benchmarks.experiments.probes.model import UnreadableError
from benchmarks.host import fingerprint, programs
from benchmarks.image import Image

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from benchmarks.sandboxes.base import Instance, Sandbox

_REPEATS = 15
_CLOCK_STEP_S = 0.1
"""More than a clock that is being slewed (500 ppm, adjtimex(2)) drifts in three minutes."""
"""On an emulated host mmdebstrap, a Perl program, takes longer than ten seconds to begin."""
_PACKAGES = ("libvirt-python", "psutil", "pandas", "scipy", "numpy", "pytest-benchmark")
_PROGRAMS = (f"qemu-system-{platform.machine()}", "mmdebstrap", "mkfs.erofs")


@dataclass
class Watched:
    """What the host did while something was measured.

    Attributes:
        flags: Names of the disturbances, empty when all was quiet.
        meanwhile: Steal, pressure and load, as ``host.meanwhile`` names them.
    """

    flags: tuple[str, ...] = ()
    meanwhile: dict[str, float] = field(default_factory=dict)


@contextmanager
def watch(cpus: Collection[int] | None = None) -> Iterator[Watched]:
    """Watch the host's conditions around a visit; the flags are set on leaving.

    Args:
        cpus: CPUs that the visit is measured on; None for all.

    ``clock-step`` means that the wall clock was set meanwhile: dates beside the samples jump, and
    no duration does, since all of them are taken on CLOCK_MONOTONIC.
    """
    watched = Watched()
    before, apart = fingerprint.conditions(cpus=cpus), _clocks_apart()
    yield watched
    stepped = abs(_clocks_apart() - apart) > _CLOCK_STEP_S
    after = fingerprint.conditions(cpus=cpus)
    flags = fingerprint.flags(before, after)
    watched.meanwhile = fingerprint.meanwhile(before, after)
    watched.flags = (*flags, "clock-step") if stepped else tuple(flags)


def _clocks_apart() -> float:
    return time.time() - time.monotonic()


def host_fingerprint() -> dict[str, Any]:
    """Return the fingerprint that decides which runs may be compared."""
    return fingerprint.fingerprint()


def image_summary(image: object | None) -> dict[str, Any] | None:
    """Return what a run says of its image: digest, kernel, packages."""
    if not isinstance(image, Image):
        return None
    return {
        "digest": image.digest,
        "name": image.manifest.name or None,
        "kernel_release": None if image.part is None else image.part.manifest.release,
        "kernel_digest": None if image.part is None else image.part.manifest.digest,
        "size_bytes": image.size_bytes,
        "packages": dict(image.packages),
    }


def perturbation(
    opened: Mapping[str, Sandbox], cpus: Collection[int] | None = None
) -> dict[str, float]:
    """Measure what the harness adds, once, before the first block.

    Args:
        opened: The campaign's sandboxes.
        cpus: CPUs that it is measured on; None for all.

    Returns:
        ``clock_resolution_s``: smallest step seen between readings of CLOCK_MONOTONIC;
        ``null_command_s``: median wall time of ``/bin/true`` in the native sandbox, which every
        command's duration contains; ``memory_read_s``, ``cpu_read_s`` and ``idle_read_s``: median
        times to read the memory ladder, the CPU account and the threads of the native sandbox;
        ``empty_probe_s``: the probes' agent run there with nothing to read;
        ``host_watch_s``: one snapshot of the host's conditions, taken before and after a visit. All
        but the first and the last are there only when ``native`` is measured.
    """
    found = {
        "clock_resolution_s": _clock_step_s(),
        "host_watch_s": _median_s(lambda: fingerprint.conditions(cpus=cpus)),
    }
    native = opened.get("native")
    if native is None:
        return found
    try:
        with native.start() as instance:
            found["null_command_s"] = _median_s(lambda: _run(instance, ["/bin/true"]))
            found["memory_read_s"] = _median_s(instance.memory)
            found["cpu_read_s"] = _median_s(instance.cpu_seconds)
            found["idle_read_s"] = _median_s(lambda: idle.threads(instance.pids()))
            found["empty_probe_s"] = _median_s(lambda: _probe(instance))
    except (MeasurementError, UnreadableError):
        # The same failure meets the first visit and is recorded there, with its sentence.
        return found
    return found


def tool_versions() -> dict[str, str | None]:
    """Return the versions of the libraries and programs a result depends on.

    None stands for a version that could not be read: no run fails for it.
    """
    versions = {name: _of_library(name) for name in _PACKAGES}
    for program in _PROGRAMS:
        path = shutil.which(program)
        if path is not None:
            versions[program] = _of_program(path, Path(path).stat().st_mtime_ns)
    return versions


@functools.cache
def _of_program(path: str, changed_ns: int) -> str | None:
    """Ask a program once for as long as it is the same: `tare ab` describes dozens of runs."""
    del changed_ns
    return programs.version(path)


def _of_library(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _probe(instance: Instance) -> None:
    """Run the probes' agent with nothing to read.

    Raises:
        MeasurementError: It could not be run.
        UnreadableError: It said nothing, as in an image without Python.
    """
    engine.parse(instance.run(engine.empty(), timeout_s=30).stdout)


def _run(instance: Instance, command: Sequence[str]) -> None:
    instance.run(command, timeout_s=10)


def _median_s(call: Any) -> float:
    taken = []
    for _ in range(_REPEATS):
        began = time.monotonic_ns()
        call()
        taken.append(time.monotonic_ns() - began)
    return sorted(taken)[_REPEATS // 2] / 1e9


def _clock_step_s() -> float:
    steps = []
    for _ in range(1000):
        first = time.monotonic_ns()
        second = time.monotonic_ns()
        if second > first:
            steps.append(second - first)
    return min(steps) / 1e9
