"""Start VMs: the connection kept warm, the guardian, the state directory."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from vmdriver.architecture import ARCHITECTURES
from vmdriver.boot import await_payload
from vmdriver.config import VmConfig
from vmdriver.errors import ConfigError, VmError
from vmdriver.libvirt.connection import Connection
from vmdriver.libvirt.domain_xml import domain_xml
from vmdriver.qemu import guardian
from vmdriver.qemu.exec_watch import ExecWatch
from vmdriver.qemu.orphans import adopt_orphans, reaping_orphans
from vmdriver.state import Layout, clean_locked
from vmdriver.vm import Vm


class Driver:
    """A warm libvirt connection and everything that must outlive a VM. A context manager.

    While one with libvirt embedded is open, this process is the parent of its descendants' orphans
    (see `vmdriver.qemu.orphans.adopt_orphans`), of which it reaps QEMU alone.

    Attributes:
        state: its directory.
        connection: libvirt; ``connection.probing_s`` is what opening it cost, once.
        removed: what an earlier crash had left here, in words.
    """

    # libvirt stays in the directory of the process's first driver: all go when the last one does.
    _open: ClassVar[set[Layout]] = set()
    _ended: ClassVar[set[Layout]] = set()

    def __init__(self, state: Path, uri: str | None = None) -> None:
        """Clean ``state``, start the guardian and open libvirt.

        Args:
            state: a directory for this driver alone; made when it is not there. Keep it: libvirt's
                knowledge of QEMU is cached there, which saves seconds on the next open.
            uri: libvirt's URI, such as ``qemu:///system``, of a daemon on this host; None embeds
                libvirt's driver in this process, which is the default: nothing need run.

        Raises:
            VmError: the directory cannot be used, or another process uses it.
            ConnectError: libvirt cannot be opened.
        """
        layout = Layout.of(state)
        layout.make()
        self.state = layout.state
        self._layout = layout
        self._lock = layout.lock()
        self._open.add(layout)
        self._vms: dict[str, Vm] = {}
        self._admission = threading.Lock()
        # A daemon's QEMU is no descendant of ours.
        self._former_adoption = adopt_orphans(adopt=True) if uri is None else None
        self._guardian: subprocess.Popen[bytes] | None = None
        guarded = (str(layout.guests), str(layout.root))
        self._execs = ExecWatch(*(Path(one.qemu) for one in ARCHITECTURES.values()))
        try:
            self.removed = clean_locked(layout)
            self._guardian = subprocess.Popen(
                [sys.executable, "-I", "-S", guardian.__file__, *guarded],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(self._lock,),  # should we die, the directory is its until it has ended
            )
            with reaping_orphans("qemu") if uri is None else contextlib.nullcontext():
                self.connection = Connection(uri, layout.root)
        except BaseException:
            self._release()
            raise
        try:
            if self.connection.owner is not None:
                layout.admit()
        except BaseException:
            self.close()
            raise

    def start(self, config: VmConfig, *, until_ready: bool = False) -> Vm:
        """Start a VM; return when its payload has written its first byte.

        Args:
            config: the VM.
            until_ready: return once QEMU is ready to boot; the guest may not have begun to.

        Raises:
            ConfigError: the configuration cannot work, or a VM of that name runs.
            RefusedError: libvirt or QEMU refused it.
            StartError: it did not reach its payload; see `vmdriver.errors` for the kinds. Its
                console, which the message names, is there until the driver is closed.
        """
        return self._start(config, None, until_ready=until_ready)

    def restore(self, config: VmConfig, saved: Path) -> Vm:
        """Resume a VM that `Vm.save` wrote and start the payload in it: the warm start.

        Args:
            config: what the VM was started from; its name and files must be the same, its payload
                may be another.
            saved: what `Vm.save` wrote; it stays, and can be restored again.

        Raises:
            RefusedError: libvirt or QEMU refused the file.
            StartError, ConfigError: as `start`.
        """
        if not saved.is_file():
            raise ConfigError(f"there is no saved VM at {saved}; save one first")
        return self._start(config, saved)

    def console(self, name: str) -> Path:
        """Console of the VM of that name: of a running one, or of one that did not start."""
        return self._layout.consoles / f"{name}.log"

    @property
    def saved(self) -> Path:
        """A directory for saved VMs that go with this driver, or with who cleans up after it."""
        return self._layout.saved

    def _start(self, config: VmConfig, saved: Path | None, *, until_ready: bool = False) -> Vm:
        requested = time.monotonic_ns()
        config.check()
        if self._learned(config.architecture):
            requested = time.monotonic_ns()
        # From here on it says what the VM gets: what the host can give may change under way.
        config = replace(config, profile=config.resolved_profile())
        vm = self._admit(config)
        try:
            vm.stamps["requested"] = requested
            if saved is None:
                vm.launch(self._domain_xml(vm))
                if not until_ready:
                    await_payload(vm)
            else:
                vm.relaunch(saved)
                await_payload(vm, ("main",))
            executed = self._execs.stamp(vm.pid)
            if executed is not None:
                vm.ports.stamp("exec", executed)
            vm.domain.describe()
        except BaseException:
            vm.failed = True
            vm.destroy()
            raise
        return vm

    def _learned(self, architecture: str) -> bool:
        """Whether another architecture's QEMU had to be paid for, which is no part of a start."""
        with self._admission:
            if self.connection.knows(architecture):
                return False
            embedded = self.connection.embedded
            with reaping_orphans("qemu") if embedded else contextlib.nullcontext():
                self.connection.learn(architecture)
            return True

    def _domain_xml(self, vm: Vm) -> str:
        connection = self.connection
        return domain_xml(
            vm.config,
            vm.sockets,
            knows_ps2=connection.knows_ps2,
            owner=connection.owner,
            variables=vm.variables,
        )

    def _admit(self, config: VmConfig) -> Vm:
        """A VM with its ports open, known to this driver until it has ended."""
        with self._admission:
            self._vms = {name: vm for name, vm in self._vms.items() if not vm.closed}
            if config.name in self._vms:
                raise ConfigError(f"a VM named {config.name} is running already")
            try:
                vm = Vm(config, self._layout, self.connection)
            except OSError as error:
                raise VmError(
                    f"cannot open the ports or the console of the VM {config.name} below "
                    f"{self._layout.root}: {error.strerror}"
                ) from error
            self._vms[config.name] = vm
            return vm

    def close(self) -> None:
        """Destroy what still runs and close the connection; idempotent."""
        for vm in list(self._vms.values()):
            vm.destroy()
        self._vms.clear()
        if self._lock >= 0:
            for folder in (self.saved, self._layout.consoles, self._layout.logs):
                for path in folder.glob("*"):
                    path.unlink()
            self.connection.close()
            self._release()

    def _release(self) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.communicate(b"done")
        self._execs.close()
        if self._former_adoption is not None:
            adopt_orphans(adopt=self._former_adoption)
        self._open.discard(self._layout)
        self._ended.add(self._layout)
        while not self._open and self._ended:
            self._ended.pop().remove_root()
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
