"""Own what is known of one VM's QEMU from outside: whether it runs, what it uses, its kill."""

from vmdriver.config import VmConfig
from vmdriver.errors import VmGoneError
from vmdriver.qemu.memory import QemuMemory, qemu_memory
from vmdriver.qemu.ports import Ports
from vmdriver.qemu.process import Process


class Qemu:
    """The process of one VM; known once it has connected its first port.

    Attributes:
        ports: the host's end of its ports.
    """

    def __init__(self, config: VmConfig, ports: Ports) -> None:
        """Knows nothing yet."""
        self.ports = ports
        self._config = config

    @property
    def process(self) -> Process:
        """QEMU. Raises VmGoneError before it has connected."""
        if self.ports.process is None:
            raise VmGoneError(f"the VM {self._config.name} has no QEMU process")
        return self.ports.process

    def running(self) -> bool:
        """Whether QEMU runs."""
        return self.ports.process is not None and self.ports.ended is None

    def cpu_time_s(self) -> float:
        """CPU seconds of all of QEMU's threads since its start. Raises VmGoneError."""
        try:
            return self._alive().cpu_time_s()
        except OSError as error:
            raise self._gone() from error

    def memory(self) -> QemuMemory:
        """What QEMU's resident memory is made of. Raises VmGoneError."""
        try:
            return qemu_memory(self._alive().pid, self._config.memory_mib << 20)
        except OSError as error:
            raise self._gone() from error

    def kill(self) -> None:
        """Send SIGKILL; nothing to do before it has connected."""
        if self.ports.process is not None:
            self.ports.process.kill()

    def _alive(self) -> Process:
        if not self.running():
            raise self._gone()
        return self.process

    def _gone(self) -> VmGoneError:
        return VmGoneError(f"QEMU of {self._config.name} has ended")
