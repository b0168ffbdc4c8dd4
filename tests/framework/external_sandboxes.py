"""Instances of external sandboxes as the host sees them: traces of a helper, the idle workload."""

import time
from pathlib import Path

from benchmarks.sandboxes.external.instance import ExternalInstance

MEMORY = 96 << 20


def traces(helper: str) -> list[str]:
    """What bears a helper's name; others may use this host at the same time."""
    groups = [
        str(path)
        for depth in ("*", "*/*", "*/*/*")
        for path in Path("/sys/fs/cgroup").glob(f"{depth}/{helper}")
    ]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return groups + [line for line in mounts if helper in line]


def workload(instance: ExternalInstance) -> Path:
    """The /proc directory of the idle workload, below whatever init there is."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for pid in instance.pids():
            folder = Path(f"/proc/{pid}")
            if b"2147483647" in (folder / "cmdline").read_bytes().split(b"\0"):
                return folder
        time.sleep(0.01)  # the shell has reported its first instruction, and is about to exec
    raise AssertionError("the workload does not run")
