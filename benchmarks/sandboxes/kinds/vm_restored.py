"""``vm:restored``: the warm start of a VM, which resumes a saved guest."""

import ctypes
import mmap
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import msgspec

import vmdriver
from benchmarks.errors import NotSupportedError
from benchmarks.results.records import SandboxInfo
from benchmarks.sandboxes.base import Testbed
from benchmarks.sandboxes.kinds.vm import KIND, VmSandbox
from benchmarks.sandboxes.registry import register
from benchmarks.sandboxes.vm.variants import RESTORED
from runtime.harness import Group

_CACHESTAT = 451  # the same number on every architecture
_ONE_AT_A_TIME = (
    "one at a time: every start resumes the one guest that was saved, under its one name"
)
_libc = ctypes.CDLL(None, use_errno=True)


class RestoredSandbox(VmSandbox):
    """Boots one guest when it is opened, saves it, and resumes it at every start."""

    def _config(self, number: int, group: Group | None) -> vmdriver.VmConfig:
        config = super()._config(number, group)
        return replace(config, name=f"tare-{os.getpid()}-{self._kind}")

    def resized(self, memory_bytes: int) -> None:
        """Return None: a saved guest has the memory with which it was saved."""

    def _prepare(self) -> None:
        self._starting = threading.Lock()
        self._resumed: vmdriver.Vm | None = None
        # Its payload ends at once: nothing goes on in the saved guest but the agent.
        config = replace(self._config(0, None), payload=("sh", "-c", "echo m >&3"))
        self._saved = self._driver.saved / "guest"
        with self._driver.start(config) as vm:
            boot = vm.run_script("cat /proc/sys/kernel/random/boot_id").stdout.decode().strip()
            vm.save(self._saved)
        size = self._saved.stat()
        self._warm: dict[str, object] = {
            "boot_id": boot,
            "saved_bytes": size.st_size,
            "saved_bytes_on_disk": size.st_blocks * 512,
            "saved_bytes_in_page_cache": cached_bytes(self._saved),
            "shared_between_instances": "nothing of guest RAM: each reads the file into its own",
        }

    def _described(self) -> SandboxInfo:
        info = super()._described()
        return msgspec.structs.replace(info, details={**info.details, "saved": self._warm})

    def networked(self, testbed: Testbed) -> NoReturn:
        """Refuse: the saved guest has no network interface, and runs once at a time."""
        del testbed
        raise NotSupportedError(
            "no network between sandboxes: every start resumes the one guest that was saved "
            "without an interface",
        )

    def _run(self, config: vmdriver.VmConfig, *, until_ready: bool = False) -> vmdriver.Vm:
        del until_ready  # a resumed guest need not boot
        if not self._starting.acquire(blocking=False):
            raise NotSupportedError(_ONE_AT_A_TIME)
        try:
            if self._resumed is not None and not self._resumed.closed:
                raise NotSupportedError(_ONE_AT_A_TIME)
            self._resumed = self._driver.restore(config, self._saved)
        finally:
            self._starting.release()
        return self._resumed


def cached_bytes(path: Path) -> int | None:
    """Return how much of a file the host has in its page cache.

    Args:
        path: The file.

    Returns:
        Bytes; None where the kernel has no such call (cachestat(2), Linux 6.5).
    """
    found = (ctypes.c_uint64 * 5)()  # cached, dirty, written back, evicted, recently evicted
    whole = (ctypes.c_uint64 * 2)(0, 0)  # offset and length; 0 is to the end
    with path.open("rb") as file:
        failed = _libc.syscall(_CACHESTAT, file.fileno(), whole, found, 0)
    return None if failed else int(found[0]) * mmap.PAGESIZE


register(replace(KIND, names=(f"vm:{RESTORED}",), open=RestoredSandbox))
