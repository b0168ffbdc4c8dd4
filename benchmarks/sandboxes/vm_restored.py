"""The ``vm:restored`` sandbox: a VM's warm start."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from benchmarks.sandboxes.vm import VmSandbox

if TYPE_CHECKING:
    import vmdriver
    from benchmarks.records import SandboxInfo
    from runtime.cgroups import Group


class RestoredSandbox(VmSandbox):
    """Boots one guest when it is opened, saves it, and resumes it at every start."""

    def _config(self, number: int, group: Group | None) -> vmdriver.VmConfig:
        config = super()._config(number, group)
        return replace(config, name=f"tare-{os.getpid()}-{self._kind}")

    def _prepare(self) -> None:
        # Its payload has ended by then: nothing runs in the saved guest but the agent.
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
            "shared_between_instances": "nothing of guest RAM: each reads the file into its own",
        }

    def _described(self) -> SandboxInfo:
        info = super()._described()
        return msgspec.structs.replace(info, details={**info.details, "saved": self._warm})

    def _run(self, config: vmdriver.VmConfig) -> vmdriver.Vm:
        return self._driver.restore(config, self._saved)
