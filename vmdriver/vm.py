"""Own one running VM: its start, its parts, its end."""

import contextlib
from pathlib import Path
from types import TracebackType
from typing import Self

from vmdriver.agent.guest import Guest
from vmdriver.agent.protocol import Agent
from vmdriver.agent.shellwords import PATH, words
from vmdriver.config import VmConfig
from vmdriver.errors import ConnectError, RefusedError, VmGoneError
from vmdriver.host import uefi
from vmdriver.libvirt.connection import Connection
from vmdriver.libvirt.devices_xml import PORTS, SERIAL
from vmdriver.libvirt.transient_domain import TransientDomain
from vmdriver.profile import UEFI
from vmdriver.qemu import diagnosis, virtiofsd
from vmdriver.qemu.console import Console
from vmdriver.qemu.ports import Ports
from vmdriver.qemu.process import Process
from vmdriver.qemu.qemu import Qemu
from vmdriver.state import Layout

_TICK_S = 0.02


class Vm:
    """A VM that `vmdriver.Driver.start` made. A context manager: leaving it destroys the VM.

    What its parts do can be called on the VM itself: ``exec``, ``run_script``, ``put``, ``get``,
    ``clock_offset``, ``synchronize_clock`` and ``guest_memory`` of its `guest`; ``running``,
    ``cpu_time_s`` and ``memory`` of its `qemu`; ``snapshot`` and ``balloon`` of its `domain`.

    Attributes:
        config: what it was made from.
        guest: what runs in it, through its agent.
        qemu: its process on the host.
        domain: what libvirt knows of it.
        ports: the host's end of its serial and virtio ports.
        stamps: boundary to nanoseconds of CLOCK_MONOTONIC, taken when a blocked thread wakes (see
            `vmdriver.qemu.ports` for its resolution):
            ``requested``: `Driver.start` was called;
            ``exec``: QEMU's program is executed (`vmdriver.qemu.exec_watch`; not without
            CAP_SYS_ADMIN);
            ``spawned``: QEMU has parsed its arguments and connected its first port;
            ``vmm_ready``: libvirt reports the guest's CPUs running;
            ``returned``: libvirt's call returned;
            ``kernel``: the firmware is done and the kernel entered: the first byte on the console
            (`vmdriver.guest.pvh`; of a bzImage, from its own set-up code);
            ``init``: the first line of our init;
            ``main``: the payload's first byte;
            ``output``: the first byte of its standard output;
            ``payload_ended``: the payload's exit status arrived;
            ``stop_asked``: `stop` or `destroy` was called;
            ``powered_off``: the guest is done: its CPUs are halted (libvirt's event);
            ``stopped``: QEMU has ended (its pidfd became readable).
        console: the guest's console, as a file; it goes with the VM, unless that has failed.
        console_state: what the console said.
        sockets: the ports' sockets, by name.
        variables: the VM's own copy of its UEFI firmware's variables; None with other firmware.
        forced: whether it had to be killed.
        failed: whether it did not start.
        closed: whether it has been stopped, destroyed or saved.
    """

    def __init__(self, config: VmConfig, layout: Layout, connection: Connection) -> None:
        """Open the ports; nothing runs yet."""
        self.config = config
        self.sockets = {port: layout.sockets / f"{config.name}.{port}" for port in (SERIAL, *PORTS)}
        self.console = layout.consoles / f"{config.name}.log"
        self.console_state = Console(self.console, config.console_limit_bytes)
        self.forced = self.failed = self.closed = False
        self._log = layout.logs / f"{config.name}.log"
        self._uefi = config.resolved_profile().firmware == UEFI
        self.variables = layout.variables / f"{config.name}.fd" if self._uefi else None
        self._payload_line = b""
        self._connection = connection
        self._agent = Agent(
            self._send_control,
            lambda: self.ports.drain("out", "err", "stamp", SERIAL),
            lambda: self.ports.stamp("payload_ended"),
            config.deadlines.agent_s,
            lambda: diagnosis.why(self.ports.process),
        )
        self.ports = Ports(
            self.sockets,
            self.console_state,
            self._agent.receive,
            self._agent.abandon,
            cgroups=config.cgroups,
            owner=connection.owner,
            record=layout.guests / f"{config.name}.json",
        )
        self.ports.firmware_speaks = self._uefi
        self.stamps = self.ports.stamps
        self.qemu = qemu = Qemu(config, self.ports)
        self.domain = domain = TransientDomain(config, connection, qemu)
        self.guest = guest = Guest(config, self._agent, self.console_state)
        self.running, self.cpu_time_s, self.memory = qemu.running, qemu.cpu_time_s, qemu.memory
        self.snapshot, self.balloon = domain.snapshot, domain.balloon
        self.exec, self.run_script = guest.exec, guest.run_script
        self.put, self.get = guest.put, guest.get
        self.clock_offset, self.synchronize_clock = guest.clock_offset, guest.synchronize_clock
        self.guest_memory = guest.memory

    @property
    def process(self) -> Process:
        """QEMU. Raises VmGoneError before it has connected."""
        return self.qemu.process

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
        if self._connection.root is None or not self.config.shared:
            return []
        return virtiofsd.pids(self._connection.root, self.domain_xml)

    @property
    def domain_xml(self) -> str:
        """The live XML as libvirt completed it."""
        return self.domain.xml

    @property
    def argv(self) -> list[str]:
        """QEMU's command line."""
        return self.domain.argv

    @property
    def payload_exit(self) -> int | None:
        """The payload's exit status, 128 + n for signal n; None while it runs.

        In a restored guest it is not known: what its agent reports is the end of the payload that
        ran when it was saved.
        """
        return self._agent.payload_exit if self.ports.boots else None

    @property
    def agent_spoke(self) -> bool:
        """Whether the guest has ever spoken on its control port."""
        return self._agent.ready.is_set()

    def launch(self, xml: str) -> None:
        """Start the domain; the driver's part of a start."""
        self._payload_line = f"payload {self._payload_words()}\n".encode()
        if self.variables is not None:
            machine = self.config.resolved_profile().machine
            uefi.copy_variables(machine, self.variables, self._connection.owner)
        self.domain.create(xml)
        self._await_ports()
        if not self._uefi:
            self.give_payload()

    def relaunch(self, saved: Path) -> None:
        """Resume the guest in ``saved`` and start the payload in it; the driver's part."""
        self._payload_line = f"payload 0 0 0 {self._payload_words()}\n".encode()
        self.ports.boots = False
        self.domain.restore(saved)
        self._agent.ready.set()  # it said so before it was saved
        self._await_ports()
        self.give_payload()

    def give_payload(self) -> None:
        """Tell the guest's agent what to run; the driver's part, and only the first call counts.

        At once where nobody but the agent reads its port. OVMF drives virtio ports, too, and takes
        what comes on them for keys: there it waits until our init has spoken, by when the kernel
        has reset them.
        """
        line, self._payload_line = self._payload_line, b""
        # A QEMU that has ended already is named by who waits for the next boundary.
        with contextlib.suppress(VmGoneError, TimeoutError):
            self._send_control(line, self.config.deadlines.vmm_s)

    def save(self, path: Path) -> None:
        """Write RAM and devices to ``path`` and end the VM.

        Args:
            path: of `Driver.restore`; holds at most the guest's RAM.

        Raises:
            VmError: libvirt could not save it; it goes on running.
            VmGoneError: QEMU did not answer and was killed, or had ended before.
        """
        self.domain.save(path)
        self.ports.stamp("stop_asked")
        self._end()

    def stop(self, grace_s: float = 5.0) -> None:
        """Let the guest power off; kill QEMU when it does not.

        Args:
            grace_s: seconds the payload has between SIGTERM and power-off.

        Raises:
            ConnectError: the connection to libvirt's daemon is lost; QEMU has been killed, since
                only libvirt ends a QEMU whose guest has powered off.
        """
        if self.closed:
            return
        self.ports.stamp("stop_asked")
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
        """Kill QEMU; idempotent."""
        self.ports.stamp("stop_asked")
        self.forced = self.forced or self.running()
        self._end()

    def _end(self) -> None:
        if self.closed:
            return
        self.closed = True
        ports = self.ports
        if self.forced:
            self.qemu.kill()
        if ports.process is not None:
            ports.process.ended(self.config.deadlines.gone_s)
        self.domain.forget()
        with ports.changed:
            ports.changed.wait_for(lambda: ports.process is None or ports.ended is not None, 1.0)
        if self.config.shared and self._connection.embedded:
            virtiofsd.reap()
        self._agent.abandon()
        ports.close()
        if self.variables is not None:
            self.variables.unlink(missing_ok=True)
        if not self.failed:
            self.console.unlink(missing_ok=True)
        self._log.unlink(missing_ok=True)
        if ports.process is not None:
            ports.process.close()

    def _await_ports(self) -> None:
        ports, limit = self.ports, self.config.deadlines.vmm_s
        ports.stamp("returned")
        ports.stamp("vmm_ready")  # the event came before, unless libvirt's thread is late
        with ports.changed:
            # QEMU has connected before libvirt returned; our thread may be late to notice.
            ports.changed.wait_for(
                lambda: "connected" in ports.stamps or ports.ended is not None, limit
            )
        if ports.unplaced:
            raise RefusedError(f"the VM {self.config.name} was refused: {ports.unplaced}")

    def _payload_words(self) -> str:
        environment = {"PATH": PATH, **self.config.environment}
        return words(self.config.payload, environment, self.config.directory)

    def _send_control(self, data: bytes, timeout_s: float) -> None:
        self.ports.send("control", data, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.destroy()
