"""The scope of one container, as OCI's callers name it where systemd manages control groups.

The form slice:prefix:name and the names of units are runc's (docs/systemd.md there), which podman,
containerd and the kubelet write. Limits are told to systemd as well as written, or it would write
its own again when the unit is reloaded.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from runtime.cgroups import files, layout, limits, systemd
from runtime.cgroups.v2 import UnifiedGroup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.cgroups.systemd import Property

_PREFIX = "tare-oci"
_US_PER_S = 1_000_000
#: systemd keeps whole percents of a CPU, in microseconds of a second.
_PERCENT_US = 10_000
#: Longest name of a unit (UNIT_NAME_MAX).
_LONGEST = 255
_NUMBERS = (
    ("memory_limit_bytes", "MemoryMax"),
    ("memory_swap_bytes", "MemorySwapMax"),
    ("memory_high_bytes", "MemoryHigh"),
    ("memory_reservation_bytes", "MemoryLow"),
    ("pids_limit", "TasksMax"),
    ("cpu_weight", "CPUWeight"),
    ("io_weight", "IOWeight"),
)


def unit(path: str, container: str) -> tuple[str, str]:
    """The slice ("" for systemd's own choice) and the name of a container's scope.

    Args:
        path: `linux.cgroupsPath`, "" where the bundle has none.
        container: its id.

    Raises:
        CgroupOSError: EINVAL, the path has another form.
    """
    slice_, prefix, name = "", _PREFIX, container
    if path:
        parts = path.split(":")
        if len(parts) != 3 or not parts[2] or any(sign in path for sign in "/\0\n "):  # noqa: PLR2004  # slice, prefix, name
            raise files.refusal(
                f"the cgroups path {path[:80]!r} is not slice:prefix:name, as systemd's groups are "
                "named; leave --systemd-cgroup out, or name it so",
                errno.EINVAL,
            )
        slice_, prefix, name = parts
        if slice_ and not slice_.endswith(".slice"):
            raise files.refusal(
                f"{slice_!r} is no slice of systemd: it ends in .slice", errno.EINVAL
            )
    found = f"{prefix}-{name}.scope" if prefix else f"{name}.scope"
    if len(found) > _LONGEST:
        raise files.refusal(
            f"{found[:40]}… is longer than the {_LONGEST} characters of a unit", errno.EINVAL
        )
    return slice_, found


def make(path: str, container: str, resources: Mapping[str, Any]) -> Scope:
    """Have systemd make a container's scope.

    Args:
        path: as for `unit`.
        container: likewise.
        resources: its limits.

    Raises:
        CgroupOSError: the path is wrong, a limit cannot be, or systemd refuses.
    """
    slice_, name = unit(path, container)
    root = layout.current().roots["unified"]
    return Scope(name, slice_, root, properties(resources))


class Scope:
    """A scope, and a process that holds it until a container is in it; see `close`.

    Attributes:
        unit: its name.
        group: the control group, which systemd removes when it is empty.
    """

    def __init__(self, name: str, slice_: str, root: str, wanted: list[Property]) -> None:
        self.unit = name
        words = f"Container {name.removesuffix('.scope')}"
        self._held = systemd.Scope(name, words, slice_=slice_, properties=wanted)
        self.group = UnifiedGroup(root + self._held.group, made=())

    def close(self) -> None:
        """End that process."""
        self._held.close()


def properties(resources: Mapping[str, Any]) -> list[Property]:
    """The properties of a unit for limits.

    Raises:
        CgroupOSError: EINVAL, one of them cannot be right.
    """
    wanted = limits.wanted({**resources, "devices": ()})
    found: list[Property] = [
        (word, "t", (systemd.UNLIMITED if wanted[name] < 0 else str(wanted[name]),))
        for name, word in _NUMBERS
        if name in wanted
    ]
    quota, period = limits.bandwidth(wanted)
    if quota is not None:
        every = period or limits.PERIOD_US
        share = quota * _US_PER_S // every
        share += -share % _PERCENT_US  # never less than what was asked for
        found.append(("CPUQuotaPerSecUSec", "t", (systemd.UNLIMITED if quota < 0 else str(share),)))
        found.append(("CPUQuotaPeriodUSec", "t", (str(every),)))
    return found
