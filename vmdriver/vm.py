"""One running VM: its start, usage and end."""

import contextlib
import os
import shutil
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from vmdriver import diagnosis, helpers, uefi
from vmdriver.agent import Agent
from vmdriver.channels import Channels
from vmdriver.commands import Commands
from vmdriver.config import VmConfig
from vmdriver.console import Console
from vmdriver.devices import PORTS, SERIAL
from vmdriver.errors import ConnectError, QemuStuckError, RefusedError, VmError, VmGoneError
from vmdriver.hypervisor import Connection, Domain, Watch
from vmdriver.profile import UEFI
from vmdriver.saving import Saving
from vmdriver.shellwords import PATH, words
from vmdriver.state import Layout

_TICK_S = 0.02
_LIBVIRT_TIDY_S = 10.0


class Vm(Commands, Saving):
    """A VM that `vmdriver.Driver.start` made. A context manager: leaving it destroys the VM.

    Attributes:
        config: what it was made from.
        stamps: boundary to nanoseconds of CLOCK_MONOTONIC, taken when a blocked thread wakes (see
            `vmdriver.channels` for its resolution):
            ``requested``: `Driver.start` was called;
            ``exec``: QEMU's program is executed (`vmdriver.execs`; not without CAP_SYS_ADMIN);
            ``spawned``: QEMU has parsed its arguments and connected its first port;
            ``vmm_ready``: libvirt reports the guest's CPUs running;
            ``returned``: libvirt's call returned;
            ``kernel``: the firmware is done and the kernel entered: the first byte on the console
            (`vmdriver.guest.entry`; of a bzImage, from its own set-up code);
            ``init``: the first line of our init;
            ``main``: the payload's first byte;
            ``output``: the first byte of its standard output;
            ``payload_ended``: the payload's exit status arrived;
            ``stop_asked``: `stop` or `destroy` was called;
            ``powered_off``: the guest is done: its CPUs are halted (libvirt's event);
            ``stopped``: QEMU has ended (its pidfd became readable).
        console: the guest's console, as a file.
        forced: whether it had to be killed.
    """

    def __init__(self, config: VmConfig, layout: Layout, connection: Connection) -> None:
        """Opens the ports; nothing runs yet."""
        self.config = config
        self.sockets = {port: layout.sockets / f"{config.name}.{port}" for port in (SERIAL, *PORTS)}
        self.console = layout.consoles / f"{config.name}.log"
        self.console_state = Console(self.console, config.console_limit_bytes)
        self.forced = False
        self._uefi = config.resolved_profile().firmware == UEFI
        self.variables = layout.variables / f"{config.name}.fd" if self._uefi else None
        self._payload_line = b""
        self._connection = connection
        self._domain: Domain | None = None
        self._xml = ""
        self._argv: list[str] = []
        self._gone_from_libvirt = threading.Event()
        self._closed = False
        self._agent = Agent(
            self._send_control,
            self._drain,
            self._payload_ended,
            config.deadlines.agent_s,
            lambda: diagnosis.why(self.channels.process),
        )
        self.channels = Channels(
            self.sockets,
            self.console_state,
            self._agent.receive,
            self._agent.abandon,
            cgroups=config.cgroups,
            owner=connection.owner,
        )
        self.channels.firmware_speaks = self._uefi

    @property
    def stamps(self) -> dict[str, int]:
        """Boundaries so far; see the class."""
        return self.channels.stamps

    @property
    def domain_xml(self) -> str:
        """The live XML as libvirt completed it."""
        return self._xml

    @property
    def argv(self) -> list[str]:
        """QEMU's command line."""
        return self._argv

    def launch(self, xml: str) -> None:
        """Starts the domain; the driver's part of a start."""
        self._payload_line = f"payload {self._payload_words()}\n".encode()
        self._watch()
        profile = self.config.resolved_profile()
        self._copy_variables(profile.machine)
        with self._patience(self.config.deadlines.vmm_s, QemuStuckError, "get ready"):
            self._domain = self._connection.start(
                xml,
                f"the VM {self.config.name} (machine {profile.machine}, firmware "
                f"{profile.firmware}, accelerator {self.config.accelerator})",
            )
        self._await_ports()
        if not self._uefi:
            self.give_payload()

    def relaunch(self, saved: Path) -> None:
        """Resumes the guest in ``saved`` and starts the payload in it; the driver's part."""
        self._payload_line = f"payload 0 0 0 {self._payload_words()}\n".encode()
        self.channels.boots = False
        self._watch()
        with self._patience(self.config.deadlines.vmm_s, QemuStuckError, "get ready"):
            self._domain = self._connection.restore(saved, self.config.name)
        self._agent.ready.set()  # it said so before it was saved
        self._await_ports()
        self.give_payload()

    def give_payload(self) -> None:
        """Tells the guest's agent what to run; the driver's part, and only the first call counts.

        At once where nobody but the agent reads its port. OVMF drives virtio ports, too, and takes
        what comes on them for keys: there it waits until our init has spoken, by when the kernel
        has reset them.
        """
        line, self._payload_line = self._payload_line, b""
        # A QEMU that has ended already is named by who waits for the next boundary.
        with contextlib.suppress(VmGoneError, TimeoutError):
            self._send_control(line, self.config.deadlines.vmm_s)

    def _copy_variables(self, machine: str) -> None:
        if self.variables is None:
            return
        try:
            shutil.copyfile(uefi.find(machine).variables, self.variables)
            if self._connection.owner is not None:
                os.chown(self.variables, *self._connection.owner)
        except OSError as error:
            raise VmError(
                f"cannot write the UEFI variables of the VM {self.config.name} to "
                f"{self.variables}: {error.strerror}"
            ) from error

    def _payload_words(self) -> str:
        return words(
            self.config.payload, {"PATH": PATH, **self.config.environment}, self.config.directory
        )

    def _await_ports(self) -> None:
        channels, limit = self.channels, self.config.deadlines.vmm_s
        channels.stamp("returned")
        channels.stamp("vmm_ready")  # the event came before, unless libvirt's thread is late
        with channels.changed:
            # QEMU has connected before libvirt returned; our thread may be late to notice.
            channels.changed.wait_for(
                lambda: "connected" in channels.stamps or channels.ended is not None, limit
            )
        if channels.unplaced:
            raise RefusedError(f"the VM {self.config.name} was refused: {channels.unplaced}")

    def _watch(self) -> None:
        self._connection.watch(
            self.config.name,
            Watch(
                resumed=lambda: self.channels.stamp("vmm_ready"),
                powered_off=self._powered_off,
                stopped=self._gone_from_libvirt.set,
            ),
        )

    def _powered_off(self) -> None:
        with self.channels.changed:
            # An event that comes later than QEMU's end says nothing of when the guest was done.
            if "stopped" not in self.stamps:
                self.channels.stamp("powered_off")

    def describe(self) -> None:
        """Keeps XML and command line, which are gone when QEMU is."""
        with contextlib.suppress(VmError, OSError):
            assert self._domain is not None
            self._xml = self._domain.xml()
            self._argv = self.process.arguments()

    @property
    def domain(self) -> Domain | None:
        """The domain, once libvirt has started it."""
        return self._domain

    @property
    def agent_spoke(self) -> bool:
        """Whether the guest has ever spoken on its control port."""
        return self._agent.ready.is_set()

    @property
    def payload_exit(self) -> int | None:
        """The payload's exit status, 128 + n for signal n; None while it runs.

        In a restored guest it is not known: what its agent reports is the end of the payload that
        ran when it was saved.
        """
        return self._agent.payload_exit if self.channels.boots else None

    @property
    def closed(self) -> bool:
        """Whether it has been stopped, destroyed or saved."""
        return self._closed

    def stop(self, grace_s: float = 5.0) -> None:
        """Lets the guest power off; kills QEMU when it does not.

        Args:
            grace_s: seconds the payload has between SIGTERM and power-off.

        Raises:
            ConnectError: the connection to libvirt's daemon is lost; QEMU has been killed, since
                only libvirt ends a QEMU whose guest has powered off.
        """
        if self._closed:
            return
        self.channels.stamp("stop_asked")
        if self.running() and self._connection.lost is None:
            ticks = max(0, round(grace_s / _TICK_S))
            with contextlib.suppress(TimeoutError, VmGoneError):
                self._send_control(f"stop {ticks}\n".encode(), self.config.deadlines.gone_s)
                self.process.ended(grace_s + self.config.deadlines.gone_s)
        self.forced = self.running() and not self.process.ended()
        self._end()
        if self.forced and self._connection.lost is not None:
            raise ConnectError(
                f"QEMU of the VM {self.config.name} was killed: {self._connection.how_lost()}"
            )

    def destroy(self) -> None:
        """Kills QEMU; idempotent."""
        self.channels.stamp("stop_asked")
        self.forced = self.forced or self.running()
        self._end()

    def _end(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self.forced:
            self._kill_qemu()
        if self.channels.process is not None:
            self.channels.process.ended(self.config.deadlines.gone_s)
        # libvirt sees the end by itself; destroying what has ended only makes sure.
        if self._domain is not None and not self._gone_from_libvirt.wait(_LIBVIRT_TIDY_S):
            self._domain.destroy()
        self._connection.unwatch(self.config.name)
        with self.channels.changed:
            self.channels.changed.wait_for(
                lambda: self.channels.process is None or self.channels.ended is not None, 1.0
            )
        if self.config.shared and self._connection.embedded:
            helpers.reap()
        self._agent.abandon()
        self.channels.close()
        if self.variables is not None:
            self.variables.unlink(missing_ok=True)
        if self.channels.process is not None:
            self.channels.process.close()

    def _send_control(self, data: bytes, timeout_s: float) -> None:
        self.channels.send("control", data, timeout_s)

    def _drain(self) -> None:
        self.channels.drain("out", "err", "stamp", SERIAL)

    def _payload_ended(self) -> None:
        self.channels.stamp("payload_ended")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.destroy()
