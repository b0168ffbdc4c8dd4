"""Trees of sysfs and procfs of hosts that are not this one, as far as the driver reads them."""

from collections.abc import Iterable, Mapping
from pathlib import Path


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def cores(sysfs: Path, siblings: Iterable[str], name: str = "core_cpus_list") -> Path:
    """Each CPU's list of its core's threads, in their order."""
    files = {
        f"devices/system/cpu/cpu{cpu}/topology/{name}": f"{listed}\n"
        for cpu, listed in enumerate(siblings)
    }
    return write(sysfs, files)


def alder_lake(sysfs: Path) -> Path:
    """A Core i5-1240P: four fast cores of two threads, eight slow ones; told by its counters."""
    fast = [f"{cpu}-{cpu + 1}" for cpu in range(0, 8, 2) for _ in range(2)]
    cores(sysfs, [*fast, *map(str, range(8, 16))])
    return write(sysfs, {"devices/cpu_core/cpus": "0-7\n", "devices/cpu_atom/cpus": "8-15\n"})


def big_little(sysfs: Path) -> Path:
    """Four slow and four fast CPUs of arm64, as RK3588 numbers them, with their capacity."""
    cores(sysfs, map(str, range(8)))
    capacities = {cpu: 414 if cpu < 4 else 1024 for cpu in range(8)}
    return write(
        sysfs,
        {
            f"devices/system/cpu/cpu{cpu}/cpu_capacity": f"{capacity}\n"
            for cpu, capacity in capacities.items()
        },
    )


def two_sockets(sysfs: Path) -> Path:
    """Two sockets of four cores of two threads, numbered as Xeons are; each a NUMA node."""
    cores(sysfs, [f"{cpu % 8},{cpu % 8 + 8}" for cpu in range(16)])
    return write(
        sysfs,
        {
            "devices/system/node/node0/cpulist": "0-3,8-11\n",
            "devices/system/node/node1/cpulist": "4-7,12-15\n",
            "devices/system/node/possible": "0-1\n",
        },
    )
