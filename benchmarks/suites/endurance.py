"""Endurance: what the harness still holds after many starts and stops."""

import contextlib
import gc
import os
import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks.sandboxes.base import Sandbox
from vmdriver import Driver, VmConfig

Stamps = Mapping[str, int]


_RSS = re.compile(r"^Rss: +(\d+) kB$", re.MULTILINE)
_CGROUPS = Path("/sys/fs/cgroup")


class Held(NamedTuple):
    """What a harness holds between two instances.

    Attributes:
        processes: Itself and its descendants: spawner, guardian.
        threads: Threads of this process's interpreter.
        descriptors: Open files of all of them.
        rss_mib: Resident memory of all of them, as ``smaps_rollup`` counts it
            (proc_pid_smaps_rollup(5)).
        groups: Control groups of its engines.
        mounts: In this process's mount namespace.
        files: Files and directories below its state folder.
    """

    processes: int
    threads: int
    descriptors: int
    rss_mib: float
    groups: int
    mounts: int
    files: int


def held(state: Path, pids: Sequence[int] = ()) -> Held:
    """Collect garbage, then return what is held now.

    Args:
        state: The harness's state folder.
        pids: The processes that count; this one and its descendants by default.
    """
    gc.collect()
    counted = pids or _family(os.getpid())
    engines = {path.name for path in state.glob("*/tare-*")}
    each = [_descriptors_and_rss_kib(pid) for pid in counted]
    return Held(
        processes=len(counted),
        threads=threading.active_count(),
        descriptors=sum(descriptors for descriptors, _ in each),
        rss_mib=sum(rss for _, rss in each) / 1024,
        groups=sum(any(name in path for name in engines) for path, _, _ in os.walk(_CGROUPS)),
        mounts=Path("/proc/self/mountinfo").read_bytes().count(b"\n"),
        files=sum(1 for _ in state.rglob("*")),
    )


def _descriptors_and_rss_kib(pid: int) -> tuple[int, int]:
    """Return what one process holds; nothing of one that has ended and is not reaped yet."""
    try:
        descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        found = _RSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"))
    except OSError:
        return 0, 0
    own = pid == os.getpid()  # whose listing is open meanwhile
    return descriptors - own, int(found.group(1)) if found else 0


def _family(pid: int) -> list[int]:
    """Return the process and its descendants."""
    below: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            below += map(int, path.read_text().split())
    return [pid, *(one for child in below for one in _family(child))]


def start_and_stop(sandbox: Sandbox) -> Stamps:
    """Start an instance and stop it; return its stamps."""
    with sandbox.start() as instance:
        pass
    return instance.stamps


def at_once(driver: Driver, config: VmConfig, count: int) -> list[Stamps]:
    """Start and stop several VMs at the same time, on any CPUs; return their stamps."""
    configs = [replace(config, name=f"{config.name}-{number}") for number in range(count)]
    with ThreadPoolExecutor(count) as pool:
        vms = list(pool.map(driver.start, configs))
        list(pool.map(lambda vm: vm.stop(grace_s=0), vms))
    return [dict(vm.stamps) for vm in vms]
