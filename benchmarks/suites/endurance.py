"""Endurance: what the harness still holds after many starts and stops of VMs."""

import gc
import re
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from vmdriver import Driver, VmConfig

Stamps = Mapping[str, int]


_RSS = re.compile(r"^Rss: +(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Held:
    """Resources that this process holds.

    Attributes:
        descriptors: Open files.
        threads: Threads of the interpreter.
        rss_bytes: Resident memory, as ``smaps_rollup`` counts it (proc_pid_smaps_rollup(5)).
    """

    descriptors: int
    threads: int
    rss_bytes: int


def held() -> Held:
    """Collect garbage, then return what this process holds."""
    gc.collect()
    found = _RSS.search(Path("/proc/self/smaps_rollup").read_text(encoding="ascii"))
    assert found is not None
    return Held(
        descriptors=sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1,  # less the listing's own
        threads=threading.active_count(),
        rss_bytes=int(found.group(1)) << 10,
    )


def growth(first: Held, last: Held) -> dict[str, float]:
    """Return the growth of each resource, as a fraction of its first value."""
    return {
        name: getattr(last, name) / getattr(first, name) - 1
        for name in ("descriptors", "threads", "rss_bytes")
    }


def start_and_stop(driver: Driver, config: VmConfig) -> Stamps:
    """Start and stop a VM; return its stamps."""
    with driver.start(config) as vm:
        vm.stop(grace_s=0)
    return dict(vm.stamps)


def at_once(driver: Driver, config: VmConfig, count: int) -> list[Stamps]:
    """Start and stop several VMs at the same time, on any CPUs; return their stamps."""
    configs = [replace(config, name=f"{config.name}-{number}") for number in range(count)]
    with ThreadPoolExecutor(count) as pool:
        vms = list(pool.map(driver.start, configs))
        list(pool.map(lambda vm: vm.stop(grace_s=0), vms))
    return [dict(vm.stamps) for vm in vms]
