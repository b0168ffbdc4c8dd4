"""One running VM: commands, usage, stop."""

import contextlib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from vmdriver import helpers
from vmdriver.agent import PATH, Agent, Completed, words
from vmdriver.channels import Channels
from vmdriver.config import VmConfig
from vmdriver.console import Console
from vmdriver.devices import DISK, PORTS, SERIAL
from vmdriver.errors import (
    AgentMissingError,
    ConfigError,
    RefusedError,
    VmError,
    VmGoneError,
)
from vmdriver.hypervisor import Connection, Domain
from vmdriver.memory import QemuMemory, qemu_memory
from vmdriver.process import Process
from vmdriver.state import Layout

_TICK_S = 0.02
_LIBVIRT_TIDY_S = 10.0


class Vm:
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
        self._connection = connection
        self._domain: Domain | None = None
        self._xml = ""
        self._argv: list[str] = []
        self._gone_from_libvirt = threading.Event()
        self._closed = False
        self._agent = Agent(
            self._send_control, self._drain, self._payload_ended, config.deadlines.agent_s
        )
        self.channels = Channels(
            self.sockets,
            self.console_state,
            self._agent.receive,
            self._agent.abandon,
            config.cgroups,
        )

    @property
    def stamps(self) -> dict[str, int]:
        """Boundaries so far; see the class."""
        return self.channels.stamps

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
        payload = self._payload_words()
        self._watch()
        profile = self.config.resolved_profile()
        self._domain = self._connection.start(
            xml,
            f"the VM {self.config.name} (machine {profile.machine}, firmware {profile.firmware}, "
            f"accelerator {self.config.accelerator})",
        )
        self._send_payload(f"payload {payload}\n")

    def relaunch(self, saved: Path) -> None:
        """Resumes the guest in ``saved`` and starts the payload in it; the driver's part."""
        payload = self._payload_words()
        self.channels.boots = False
        self._watch()
        self._domain = self._connection.restore(saved, self.config.name)
        self._agent.ready.set()  # it said so before it was saved
        self._send_payload(f"payload 0 0 {payload}\n")

    def save(self, path: Path) -> None:
        """Writes RAM and devices to ``path`` and ends the VM.

        Args:
            path: of `Driver.restore`; holds at most the guest's RAM.

        Raises:
            VmGoneError: libvirt could not save it.
        """
        assert self._domain is not None
        self.channels.stamp("stop_asked")
        self._domain.save(path)
        self._end()

    def snapshot(self, path: Path) -> None:
        """Writes RAM and devices to ``path`` and lets the VM go on.

        The guest stands still meanwhile. What it has written to is RAM alone, so this is all of it.

        Args:
            path: of `Driver.restore`, once this VM has ended: it takes the same name and ports.

        Raises:
            VmError: libvirt could not write it, as without its libvirt_iohelper.
        """
        assert self._domain is not None
        self._domain.snapshot(path, () if self.config.shared else (DISK,))

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

    def _payload_words(self) -> str:
        return words(
            self.config.payload, {"PATH": PATH, **self.config.environment}, self.config.directory
        )

    def _send_payload(self, line: str) -> None:
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
        # A QEMU that has ended already is named by who waits for the next boundary.
        with contextlib.suppress(VmGoneError, TimeoutError):
            self._send_control(line.encode(), limit)

    def _watch(self) -> None:
        self._connection.watch(
            self.config.name,
            resumed=lambda: self.channels.stamp("vmm_ready"),
            stopped=self._gone_from_libvirt.set,
        )

    def describe(self) -> None:
        """Keeps XML and command line, which are gone when QEMU is."""
        with contextlib.suppress(VmError, OSError):
            assert self._domain is not None
            self._xml = self._domain.xml()
            self._argv = self.process.arguments()

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

    def running(self) -> bool:
        """Whether QEMU runs."""
        return self.channels.process is not None and self.channels.ended is None

    def exec(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        stdin: bytes = b"",
        timeout_s: float | None = None,
    ) -> Completed:
        """Runs a program of the image in the guest and waits for its end.

        Args:
            args: program (looked up in the image's PATH) and arguments.
            env: its environment; PATH is added when it is not given.
            cwd: its working directory.
            stdin: its standard input.
            timeout_s: seconds until it is killed; None waits as long as it takes.

        Raises:
            VmError: CommandTimeoutError, AgentMissingError, GuestHungError, VmGoneError or
                ConfigError; see `vmdriver.errors`.
        """
        script = words(args, {"PATH": PATH, **(env or {})}, cwd)
        return self.run_script(script, stdin=stdin, timeout_s=timeout_s)

    def run_script(
        self, script: str, *, stdin: bytes = b"", timeout_s: float | None = None
    ) -> Completed:
        """Runs shell words in the initramfs's busybox: needs nothing of the image."""
        if not self._agent.ready.wait(self.config.deadlines.agent_s):
            raise AgentMissingError(
                f"the guest {self.config.name} does not answer on its control port; "
                f"it last wrote {self.console_state.last_line()!r}, see {self.console}"
            )
        return self._agent.run(script, stdin, timeout_s)

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

    def guest_memory(self) -> dict[str, int]:
        """The guest's ``/proc/meminfo`` in bytes, by the kernel's names (MemTotal, …)."""
        done = self.run_script("cat /proc/meminfo", timeout_s=self.config.deadlines.agent_s)
        memory = {}
        for line in done.stdout.decode().splitlines():
            name, _, value = line.partition(":")
            number, _, unit = value.strip().partition(" ")
            memory[name] = int(number) * (1024 if unit == "kB" else 1)
        return memory

    def stop(self, grace_s: float = 5.0) -> None:
        """Lets the guest power off; kills QEMU when it does not.

        Args:
            grace_s: seconds the payload has between SIGTERM and power-off.
        """
        self.channels.stamp("stop_asked")
        if self.running():
            ticks = max(0, round(grace_s / _TICK_S))
            try:
                self._send_control(f"stop {ticks}\n".encode(), self.config.deadlines.gone_s)
                limit = grace_s + self.config.deadlines.gone_s
                self.forced = not self.process.ended(limit)
            except (TimeoutError, VmGoneError):
                self.forced = self.running()
        self._end()

    def destroy(self) -> None:
        """Kills QEMU; idempotent."""
        self.channels.stamp("stop_asked")
        self.forced = self.forced or self.running()
        self._end()

    def _end(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self.channels.process is not None:
            if self.forced:
                self.channels.process.kill()
            self.channels.process.ended(self.config.deadlines.gone_s)
        if self._domain is not None:
            # libvirt sees the end by itself; destroying what has ended only makes sure.
            if not self._gone_from_libvirt.wait(_LIBVIRT_TIDY_S):
                self._domain.destroy()
            self._connection.unwatch(self.config.name)
        with self.channels.changed:
            self.channels.changed.wait_for(
                lambda: self.channels.process is None or self.channels.ended is not None, 1.0
            )
        if self.config.shared:
            helpers.reap()
        self._agent.abandon()
        self.channels.close()
        if self.channels.process is not None:
            self.channels.process.close()

    def _send_control(self, data: bytes, timeout_s: float) -> None:
        self.channels.send("control", data, timeout_s)

    def _drain(self) -> None:
        self.channels.drain("out", "err", "stamp")

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
