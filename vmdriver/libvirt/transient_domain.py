"""Own the libvirt domain of one VM, from its creation to its end.

It is transient, in libvirt's words: it exists while QEMU runs. libvirt waits for QEMU's monitor
without limit, so every call here has one; QEMU is killed where it does not answer.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from vmdriver.config import VmConfig
from vmdriver.errors import ConfigError, QemuStuckError, VmError, VmGoneError
from vmdriver.libvirt.connection import Connection, Watch
from vmdriver.libvirt.devices_xml import DISK
from vmdriver.libvirt.domain import Domain
from vmdriver.libvirt.time_limit import limited
from vmdriver.qemu.qemu import Qemu

_SAVED_MIB_PER_S = 10
_FORGETS_S = 10.0


class TransientDomain:
    """A domain that `create` or `restore` starts.

    Attributes:
        live: the domain, once libvirt has started it.
        xml: its live XML as libvirt completed it, once it is described.
        argv: QEMU's command line, likewise.
    """

    def __init__(self, config: VmConfig, connection: Connection, qemu: Qemu) -> None:
        """Nothing runs yet."""
        self.live: Domain | None = None
        self.xml = ""
        self.argv: list[str] = []
        self._config = config
        self._connection = connection
        self._qemu = qemu
        self._gone = threading.Event()

    def create(self, xml: str) -> None:
        """Start it. Raises RefusedError, ConnectError, QemuStuckError."""
        profile = self._config.resolved_profile()
        what = (
            f"the VM {self._config.name} (machine {profile.machine}, firmware {profile.firmware}, "
            f"accelerator {self._config.accelerator})"
        )
        with self._starting():
            self.live = self._connection.start(xml, what)

    def restore(self, saved: Path) -> None:
        """Resume it from ``saved``. Raises RefusedError, ConnectError, QemuStuckError."""
        with self._starting():
            self.live = self._connection.restore(saved, self._config.name)

    def describe(self) -> None:
        """Keep XML and command line, which are gone when QEMU is."""
        with contextlib.suppress(VmError, OSError):
            assert self.live is not None
            self.xml = self.live.xml()
            self.argv = self._qemu.process.arguments()

    def monitor(self, command: str) -> str:
        """What QEMU's human monitor answers, waited for as long as it takes. Raises VmGoneError."""
        if self.live is None:
            raise VmGoneError(f"the VM {self._config.name} has no domain yet")
        return self.live.monitor(command)

    def save(self, path: Path) -> None:
        """Write RAM and devices to ``path``; the domain ends. Raises VmError, VmGoneError."""
        with self._writing(path) as live:
            live.save(path)

    def snapshot(self, path: Path) -> None:
        """Write RAM and devices to ``path`` and let the VM go on.

        The guest stands still meanwhile. What it has written to is RAM alone, so this is all of it.

        Args:
            path: of `Driver.restore`, once this VM has ended: it takes the same name and ports.

        Raises:
            VmError: libvirt could not write it, as without its libvirt_iohelper.
            VmGoneError: QEMU did not answer and was killed, or had ended before.
        """
        with self._writing(path) as live:
            live.snapshot(path, () if self._config.shared else (DISK,))

    def balloon(self, memory_mib: int) -> None:
        """Ask the guest to make do with so much of its RAM; it gives back what it can, in a while.

        Args:
            memory_mib: MiB, at most what the VM was made with.

        Raises:
            ConfigError: the VM was made without a balloon, or with less memory.
            VmGoneError: QEMU has ended.
        """
        name, most = self._config.name, self._config.memory_mib
        profile = self._config.resolved_profile()
        if not (profile.balloon or profile.free_page_reporting):
            raise ConfigError(f"the VM {name} has no balloon; set balloon in its profile")
        if not 0 < memory_mib <= most:
            raise ConfigError(
                f"the VM {name} was made with {most} MiB and cannot be given {memory_mib}"
            )
        assert self.live is not None
        self.live.set_memory(memory_mib << 20)

    def forget(self) -> None:
        """Wait until libvirt has dropped it, or has it dropped."""
        # libvirt sees QEMU's end by itself; destroying what has ended only makes sure.
        if self.live is not None and not self._gone.wait(_FORGETS_S):
            self.live.destroy()
        self._connection.unwatch(self._config.name)

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        ports = self._qemu.ports
        self._connection.watch(
            self._config.name,
            Watch(
                resumed=lambda: ports.stamp("vmm_ready"),
                # An event that comes later than QEMU's end says nothing of when the guest was done.
                powered_off=lambda: ports.stamp("powered_off", unless="stopped"),
                stopped=self._gone.set,
            ),
        )
        with self._limited(self._config.deadlines.vmm_s, QemuStuckError, "get ready"):
            yield

    @contextlib.contextmanager
    def _writing(self, path: Path) -> Iterator[Domain]:
        if self.live is None or not self._qemu.running():
            raise VmGoneError(f"QEMU of {self._config.name} has ended")
        seconds = self._config.deadlines.vmm_s + self._config.memory_mib / _SAVED_MIB_PER_S
        with self._limited(seconds, VmGoneError, f"write {path}"):
            yield self.live

    def _limited(
        self, seconds: float, error: type[VmError], what: str
    ) -> contextlib.AbstractContextManager[None]:
        return limited(
            seconds,
            self._qemu.kill,
            error(
                f"QEMU of the VM {self._config.name} did not {what} within {seconds:g} s and was "
                "killed; is it stopped, or the host's disk stuck?"
            ),
        )
