"""Protocols that every sandbox and every instance of one follows, and their data.

A ``Sandbox`` is opened once per campaign and started once per visit. Starting returns an
``Instance`` whose workload is already running its first instruction. Every time is a host
``CLOCK_MONOTONIC`` stamp in integer nanoseconds, whatever clock the sandbox sees inside.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from benchmarks.results.records import Resources, SandboxInfo

if TYPE_CHECKING:  # whoever plans a campaign needs no network
    from runtime.network import Bridge, Reservation

STAMP_DESCRIPTOR = 3
"""Descriptor on which the payload reports its first instruction."""

PAYLOAD = (
    "/bin/busybox",
    "sh",
    "-c",
    f"printf m >&{STAMP_DESCRIPTOR}; exec /bin/busybox sleep 2147483647",
)
"""The idle workload of every sandbox: its first act is one byte, then it sleeps."""

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C",
}
"""Environment of every command in every sandbox."""


@dataclass(frozen=True)
class Completed:
    """A command that ended inside an instance.

    Attributes:
        exit_code: Its exit status; 128 + n for a death by signal n.
        stdout: What it wrote, whole.
        stderr: What it wrote, whole.
        seconds: Wall time on the host's clock, from the request to the end being seen.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float


@dataclass(frozen=True)
class Setting:
    """Everything that a campaign gives to the sandboxes it opens.

    Attributes:
        resources: CPUs and memory, equal for all.
        image_root: Tree of the image; never written to.
        image: The whole image, for sandboxes that boot a kernel; None with the fake sandbox.
        state: Folder in which each sandbox keeps records of what it must clean up.
        logs: Folder of the run for consoles and generated configuration.
        seed: Seed of the campaign, for the fake sandbox.
        libvirt_uri: Where VMs are started; None for libvirt's driver in this process.
        commands: The campaign's commands in an instance, for a filter that is learned from them.
    """

    resources: Resources
    image_root: Path | None
    image: object | None
    state: Path
    logs: Path
    seed: int
    libvirt_uri: str | None = None
    commands: tuple[tuple[str, ...], ...] = ()


class Instance(Protocol):
    """One started sandbox. Leaving its context stops it and removes all of it."""

    @property
    def stamps(self) -> Mapping[str, int]:
        """Boundary to CLOCK_MONOTONIC nanoseconds; always has ``requested`` and ``main``."""

    def run(self, args: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """Run a command inside and wait for it.

        Raises:
            MeasurementError: It could not be run, or did not end in time.
        """

    def cpu_seconds(self) -> float | None:
        """Return the host CPU time the instance has used so far, all its threads, in seconds.

        None where nothing counts it; only differences mean something.
        """

    def charged_cpu_seconds(self) -> float | None:
        """Return what the kernel has charged to the instance's own control group, in seconds.

        None where it has no group of its own, or the group does not count.
        """

    def pids(self) -> list[int]:
        """Return the host processes that serve this instance and no other."""

    def memory(self) -> Mapping[str, float | None]:
        """Return the memory ladder: metric name to bytes (or count), None where unknown."""

    def stop(self) -> None:
        """Stop it, stamping ``stop_asked`` and ``stopped``; a second call does nothing.

        Raises:
            MeasurementError: It had to be killed after ``limits.STOP_GRACE_S``, or is still there.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Sandbox(Protocol):
    """A way to run a workload, opened for the length of a campaign."""

    @property
    def info(self) -> SandboxInfo:
        """Its description in the run folder."""

    def start(self) -> Instance:
        """Start an instance and wait for its workload's first instruction.

        Raises:
            MeasurementError: It did not start; nothing of it is left.
        """

    def leftovers(self) -> list[str]:
        """Name, in words, what is still on the host although no instance is running."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class Partial(Protocol):
    """A sandbox whose start can end where its instance is ready to boot."""

    def start_until_ready(self) -> Instance:
        """Start an instance that passes no boundary behind ``ready``, and runs no command.

        Its stop is by force and has no stamps.

        Raises:
            MeasurementError: It did not start; nothing of it is left.
        """


@dataclass(frozen=True)
class Endpoint:
    """An instance that others reach over a network.

    Attributes:
        instance: The instance; whoever made the endpoint stops it.
        address: Its IPv4 address.
    """

    instance: Instance
    address: str


class Testbed(Protocol):
    """The one bridge that the instances of a campaign are connected to. A context manager."""

    bridge: "Bridge"
    path: Path

    @property
    def host_address(self) -> str:
        """The bridge's address."""

    def host(self) -> AbstractContextManager[Endpoint]:
        """Start the host's end: a bare process at the bridge's own address."""

    def attached(self, pid: int) -> AbstractContextManager[str]:
        """Connect the network namespace of a process; the context holds its address.

        Raises:
            MeasurementError: It has no namespace of its own, or the kernel refuses.
        """

    def reserved(self) -> "AbstractContextManager[Reservation]":
        """Reserve an address for a guest, whose tap device is connected by libvirt.

        Raises:
            MeasurementError: None is free.
        """

    def entered(self) -> AbstractContextManager[None]:
        """Enter its namespace with the calling thread; what the thread starts is in it, too."""

    def leftovers(self) -> list[str]:
        """Name, in words, what instances that have ended left on the bridge."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class Networked(Protocol):
    """A sandbox whose instances can be connected to a testbed."""

    def networked(self, testbed: Testbed) -> AbstractContextManager[Endpoint]:
        """Start an instance that is connected to a testbed; leaving the context stops it.

        Raises:
            MeasurementError: It did not start, could not be connected, or did not stop.
            NotSupportedError: This variant has no such network, with the reason.
        """
