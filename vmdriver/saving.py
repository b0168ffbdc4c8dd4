"""Writes a running VM to a file, for a warm start."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from vmdriver.devices import DISK
from vmdriver.errors import VmError, VmGoneError
from vmdriver.hypervisor import Domain
from vmdriver.patience import limited
from vmdriver.usage import Usage

_SAVED_MIB_PER_S = 10


class Saving(Usage):
    """The part of `vmdriver.Vm` that saves it."""

    def _end(self) -> None:
        raise NotImplementedError

    def save(self, path: Path) -> None:
        """Writes RAM and devices to ``path`` and ends the VM.

        Args:
            path: of `Driver.restore`; holds at most the guest's RAM.

        Raises:
            VmError: libvirt could not save it; it goes on running.
            VmGoneError: QEMU did not answer and was killed, or had ended before.
        """
        with self._writing(path) as domain:
            domain.save(path)
        self.channels.stamp("stop_asked")
        self._end()

    def snapshot(self, path: Path) -> None:
        """Writes RAM and devices to ``path`` and lets the VM go on.

        The guest stands still meanwhile. What it has written to is RAM alone, so this is all of it.

        Args:
            path: of `Driver.restore`, once this VM has ended: it takes the same name and ports.

        Raises:
            VmError: libvirt could not write it, as without its libvirt_iohelper.
            VmGoneError: QEMU did not answer and was killed, or had ended before.
        """
        with self._writing(path) as domain:
            domain.snapshot(path, () if self.config.shared else (DISK,))

    @contextlib.contextmanager
    def _writing(self, path: Path) -> Iterator[Domain]:
        if self._domain is None or not self.running():
            raise VmGoneError(f"QEMU of {self.config.name} has ended")
        seconds = self.config.deadlines.vmm_s + self.config.memory_mib / _SAVED_MIB_PER_S
        with self._patience(seconds, VmGoneError, f"write {path}"):
            yield self._domain

    def _patience(
        self, seconds: float, error: type[VmError], what: str
    ) -> contextlib.AbstractContextManager[None]:
        return limited(
            seconds,
            self._kill_qemu,
            error(
                f"QEMU of the VM {self.config.name} did not {what} within {seconds:g} s and was "
                "killed; is it stopped, or the host's disk stuck?"
            ),
        )

    def _kill_qemu(self) -> None:
        if self.channels.process is not None:
            self.channels.process.kill()
