"""The testbed: a network namespace with the one bridge that all sandboxes are connected to.

It takes the host's part and is not the host: no interface, address or firewall rule of the host's
own is involved, none of its packets pass, and the kernel ends all of it with the last process in
it, also after a SIGKILL of the harness.
"""

from __future__ import annotations

import secrets
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from benchmarks.errors import MeasurementError, UnsuitableHostError
from benchmarks.sandboxes.kinds.container import ContainerSandbox
from runtime.network import Namespace, Network, NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType

    from benchmarks.sandboxes.base import Endpoint, Setting
    from runtime.network import Bridge, Reservation

_OURS = Path("/proc/self/ns/net")


class BridgeTestbed:
    """A bridge in a namespace of its own. A context manager.

    Attributes:
        bridge: It.
        path: What leads to the namespace, for processes that join it.
    """

    bridge: Bridge
    path: Path

    def __init__(self, setting: Setting) -> None:
        """Make nothing yet."""
        # what serves at the host's end: the image without a sandbox, on the campaign's CPUs
        self._host = ContainerSandbox("native", setting)
        self._stack = ExitStack()

    def host(self) -> AbstractContextManager[Endpoint]:
        """Start the host's end: a bare process in the namespace, at the bridge's own address."""
        return self._host.networked(self)

    @property
    def host_address(self) -> str:
        """The bridge's address."""
        return str(self.bridge.gateway)

    @contextmanager
    def attached(self, pid: int) -> Iterator[str]:
        """Connect the network namespace of a process by a veth pair; its address.

        Raises:
            MeasurementError: It has no namespace of its own, or the kernel refuses.
        """
        try:
            if Path(f"/proc/{pid}/ns/net").samefile(_OURS):
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
        """Keep an address for what connects itself, as a guest does by its tap device.

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
        """Be in the namespace, with the calling thread and with what it starts meanwhile."""
        return self._namespace.entered()

    def leftovers(self) -> list[str]:
        """Name the interfaces that somebody who is gone has left on the bridge."""
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
                    network = Network(f"tare-{secrets.token_hex(6)}", nat=False)
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
