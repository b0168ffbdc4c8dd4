"""Call libvirt for one running domain: its XML, its monitor, its memory, its end."""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from vmdriver.errors import VmError, VmGoneError

_HMP = 1  # VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP


class Domain:
    """A running libvirt domain."""

    def __init__(self, libvirt: Any, domain: Any) -> None:
        self._libvirt = libvirt
        self._domain = domain
        self.uuid: str = domain.UUIDString()

    def xml(self) -> str:
        """The live XML, as libvirt completed it. Raises VmGoneError when the domain has ended."""
        try:
            return str(self._domain.XMLDesc())
        except self._libvirt.libvirtError as error:
            raise VmGoneError(f"libvirt no longer knows the domain: {error}") from error

    def monitor(self, command: str) -> str:
        """What QEMU's human monitor answers. Raises VmGoneError; waits for as long as QEMU does."""
        import libvirt_qemu

        try:
            return str(libvirt_qemu.qemuMonitorCommand(self._domain, command, _HMP))
        except self._libvirt.libvirtError as error:
            raise VmGoneError(f"QEMU's monitor does not answer: {error}") from error

    def destroy(self) -> None:
        """End the domain at once; nothing to do when it has ended."""
        with contextlib.suppress(self._libvirt.libvirtError):
            self._domain.destroy()

    def save(self, path: Path) -> None:
        """Save RAM and devices to ``path``; the domain ends. Raises VmError: it was not saved."""
        try:
            self._domain.save(str(path))
        except self._libvirt.libvirtError as error:
            raise VmError(f"libvirt could not save the VM to {path}: {error}") from error

    def snapshot(self, path: Path, disks: Iterable[str]) -> None:
        """Write RAM and devices, not ``disks``, to ``path``; the domain goes on.

        libvirt streams it through a helper of its own: the sparse format of `QEMU_CONF` is refused
        by its own restore when the domain went on (11.3).

        Raises:
            VmError: libvirt could not.
        """
        memory = f"<memory snapshot='external' file={quoteattr(str(path))}/>"
        none = "".join(f"<disk name='{name}' snapshot='no'/>" for name in disks)
        xml = f"<domainsnapshot>{memory}<disks>{none}</disks></domainsnapshot>"
        flags = self._libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
        try:
            self._domain.snapshotCreateXML(xml, flags)
        except self._libvirt.libvirtError as error:
            raise VmError(
                f"libvirt could not write a snapshot to {path}: {error}; it needs its "
                "libvirt_iohelper, install libvirt-daemon-common"
            ) from error

    def set_memory(self, size_bytes: int) -> None:
        """Ask the guest's balloon to leave it that much. Raises VmGoneError."""
        try:
            self._domain.setMemoryFlags(size_bytes >> 10, self._libvirt.VIR_DOMAIN_AFFECT_LIVE)
        except self._libvirt.libvirtError as error:
            raise VmGoneError(f"libvirt could not set the guest's memory: {error}") from error
