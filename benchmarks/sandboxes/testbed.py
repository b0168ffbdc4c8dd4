"""Testbed: a network namespace with the one bridge that all sandboxes are connected to.

It stands for the host and is not the host: none of the host's own interfaces, addresses, firewall
rules and packets are involved, and the kernel removes all of it with the last process in it, also
after a SIGKILL of the harness.
"""

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.errors import MeasurementError, UnsuitableHostError
from benchmarks.sandboxes.base import Endpoint, Networked, Setting
from benchmarks.sandboxes.registry import HOST, open_sandbox
from runtime.network import Bridge, Namespace, Network, NetworkError, Reservation

_OWN = Path("/proc/self/ns/net")


class BridgeTestbed:
    """A bridge in a namespace of its own. A context manager.

    Attributes:
        bridge: The bridge.
        path: Path of the namespace, for processes that join it.
    """

    bridge: Bridge
    path: Path

    def __init__(self, setting: Setting) -> None:
        """Make nothing yet."""
        # serves at the host's end: the image without a sandbox, on the campaign's CPUs
        self._host = open_sandbox(HOST, setting)
        self._stack = ExitStack()

    def host(self) -> AbstractContextManager[Endpoint]:
        """Start the host's end: a bare process in the namespace, at the bridge's own address."""
        assert isinstance(self._host, Networked)
        return self._host.networked(self)

    @property
    def host_address(self) -> str:
        """The bridge's address."""
        return str(self.bridge.gateway)

    @contextmanager
    def attached(self, pid: int) -> Iterator[str]:
        """Connect the network namespace of a process by a veth pair; the context holds its address.

        Raises:
            MeasurementError: It has no namespace of its own, or the kernel refuses.
        """
        try:
            if Path(f"/proc/{pid}/ns/net").samefile(_OWN):
                raise MeasurementError(
                    f"process {pid} is in the host's own network, which is left alone"
                )
            attachment = self._network.attach(pid)
        except (NetworkError, OSError) as error:
            raise MeasurementError(f"cannot connect process {pid}: {error}") from error
        try:
            yield str(attachment.address.ip)
        finally:
            try:
                self._network.detach(attachment)
            except NetworkError as error:
                raise MeasurementError(f"cannot disconnect process {pid}: {error}") from error

    @contextmanager
    def reserved(self) -> Iterator[Reservation]:
        """Reserve an address for a guest, whose tap device is connected by libvirt.

        Raises:
            MeasurementError: None is free.
        """
        try:
            reservation = self._network.reserve()
        except NetworkError as error:
            raise MeasurementError(str(error)) from error
        try:
            yield reservation
        finally:
            self._network.release(reservation)

    def entered(self) -> AbstractContextManager[None]:
        """Enter the namespace with the calling thread; what the thread starts is in it, too."""
        return self._namespace.entered()

    def leftovers(self) -> list[str]:
        """Name the interfaces that instances that have ended left on the bridge."""
        own = {"lo", self.bridge.name}
        try:
            there = self._namespace.interfaces()
        except NetworkError as error:
            return [f"a testbed that cannot be looked at ({error})"]
        links = [f"interface {name} of the testbed" for name in there if name not in own]
        return [*links, *self._host.leftovers()]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            try:
                self._namespace = stack.enter_context(Namespace())
                self.path = self._namespace.path
                with self._namespace.entered():
                    # no rule weighs on what is measured; beyond is nobody but what is measured
                    network = Network(f"tare-{secrets.token_hex(6)}", nat=False, pinned=False)
                self._network = stack.enter_context(network)
                self.bridge = network.bridge
            except NetworkError as error:
                raise UnsuitableHostError(
                    f"no network between sandboxes can be made here: {error}"
                ) from error
            stack.enter_context(self._host)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
