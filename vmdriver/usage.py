"""What is known of a VM's processes from outside, and what they use."""

from pathlib import Path

from vmdriver import helpers
from vmdriver.channels import Channels
from vmdriver.config import VmConfig
from vmdriver.errors import ConfigError, VmGoneError
from vmdriver.hypervisor import Connection, Domain
from vmdriver.memory import QemuMemory, qemu_memory
from vmdriver.process import Process


class Usage:
    """The processes' part of `vmdriver.Vm`.

    Attributes:
        config: what the VM was made from.
        channels: the host's end of its ports, which knows QEMU.
    """

    config: VmConfig
    channels: Channels
    _connection: Connection
    _domain: Domain | None
    _xml: str

    def running(self) -> bool:
        """Whether QEMU runs."""
        return self.channels.process is not None and self.channels.ended is None

    @property
    def process(self) -> Process:
        """QEMU. Raises VmGoneError before it has connected."""
        if self.channels.process is None:
            raise VmGoneError(f"the VM {self.config.name} has no QEMU process")
        return self.channels.process

    @property
    def pid(self) -> int:
        """QEMU's process number on the host."""
        return self.process.pid

    @property
    def pidfd(self) -> int:
        """QEMU's pidfd; closed with the VM."""
        return self.process.pidfd

    @property
    def helper_pids(self) -> list[int]:
        """Process numbers of virtiofsd, where it serves the image; not those of a daemon's."""
        root = self._connection.uri.partition("?root=")[2]
        return helpers.pids(Path(root), self._xml) if root and self.config.shared else []

    def cpu_time_s(self) -> float:
        """CPU seconds of all of QEMU's threads since its start. Raises VmGoneError."""
        if not self.running():
            raise VmGoneError(f"QEMU of {self.config.name} has ended")
        try:
            return self.process.cpu_time_s()
        except OSError as error:
            raise VmGoneError(f"QEMU of {self.config.name} has ended") from error

    def memory(self) -> QemuMemory:
        """What QEMU's resident memory is made of. Raises VmGoneError."""
        if not self.running():
            raise VmGoneError(f"QEMU of {self.config.name} has ended")
        try:
            return qemu_memory(self.pid, self.config.memory_mib << 20)
        except OSError as error:
            raise VmGoneError(f"QEMU of {self.config.name} has ended") from error

    def balloon(self, memory_mib: int) -> None:
        """Asks the guest to make do with so much of its RAM; it gives back what it can, in a while.

        Args:
            memory_mib: MiB, at most what the VM was made with.

        Raises:
            ConfigError: the VM was made without a balloon, or with less memory.
            VmGoneError: QEMU has ended.
        """
        profile = self.config.resolved_profile()
        if not (profile.balloon or profile.free_page_reporting):
            raise ConfigError(
                f"the VM {self.config.name} has no balloon; set balloon in its profile"
            )
        if not 0 < memory_mib <= self.config.memory_mib:
            raise ConfigError(
                f"the VM {self.config.name} was made with {self.config.memory_mib} MiB and cannot "
                f"be given {memory_mib}"
            )
        assert self._domain is not None
        self._domain.set_memory(memory_mib << 20)
