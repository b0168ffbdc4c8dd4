"""The network of one engine: opened once, attached to by containers, removed on exit."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from ipaddress import IPv4Network
from typing import Self

from runtime.network import inside, links, names, nftables, ports
from runtime.network import nat as table
from runtime.network.addresses import Allocator
from runtime.network.claims import claim
from runtime.network.cleanup import remove
from runtime.network.errors import NetworkError
from runtime.network.model import Attachment, Bridge, Reservation, check_mtu, check_subnet
from runtime.network.notes import notes
from runtime.network.survey import survey


class Network:
    """A bridge, its subnet and its NAT; a context manager whose end leaves nothing behind.

    Thread-safe. What it makes is made in the network namespace of the thread that opens it. Needs
    CAP_NET_ADMIN and CAP_SYS_ADMIN over that namespace.

    Args:
        engine: name of the engine, which everything made here is named after.
        subnet: of the containers; where it is None, the first of 198.18.0.0/15 that this host
            neither has an address in nor a route to.
        nat: whether containers reach beyond this host. Where it is False, they reach each other
            and the host.
        mtu: largest packet in bytes; where it is None, what every default route of the host takes.
        pinned: whether a container can send nothing but IPv4 and ARP in its own name; costs its
            packets a few rules, and needs nftables.

    Attributes:
        bridge: what was made.
        notes: sentences, one for each thing about this host that keeps containers from reaching
            what they could. Belongs into every report.

    Raises:
        AddressError: the subnet cannot be used, or none is free.
        NatError: libnftables is missing, or it or the kernel refuses.
        PrivilegeError: bridges are not for this user.
        NetworkError: the kernel refuses something else.
    """

    bridge: Bridge
    notes: tuple[str, ...]

    def __init__(
        self,
        engine: str,
        *,
        subnet: IPv4Network | None = None,
        nat: bool = True,
        mtu: int | None = None,
        pinned: bool = True,
    ) -> None:
        self._engine = engine
        self._pinned = pinned
        self._name = names.bridge(engine)
        if subnet is not None:
            check_subnet(subnet)
        if mtu is not None:
            check_mtu(mtu)
        self._attached: set[Attachment] = set()
        self._ports: set[str] = set()
        self._undo = ExitStack()
        self._closed = False
        # One thread has the netlink socket, stays in the host's namespace, and does one thing at a
        # time, as the kernel's own lock of all networking (RTNL) would have it anyway.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="network")
        try:
            self._do(lambda: self._open(subnet, nat=nat, mtu=mtu))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def attach(
        self,
        target: int | os.PathLike[str],
        *,
        interface: str = "eth0",
        isolated: bool = False,
    ) -> Attachment:
        """Give a network namespace an interface, an address and a route.

        Loopback is left as it is. The caller makes sure that the process stays.

        Args:
            target: process id of a container's first process, or the path of its namespace; a
                descriptor n is /proc/self/fd/n.
            interface: name inside.
            isolated: keep it from all other isolated containers; it reaches the host, and what
                lies beyond.

        Raises:
            AddressError: no address is free.
            NetworkError: there is no such namespace, it is the host's, it has such an interface,
                or the kernel refuses; nothing is left.
        """
        names.check_interface(interface)
        return self._do(lambda: self._attach(target, interface, isolated=isolated))

    def detach(self, attachment: Attachment) -> None:
        """Remove the interface and free its address; nothing happens the second time.

        Takes an RCU grace period, unless the namespace and the interface with it are gone already.

        Raises:
            NetworkError: the kernel refuses; the address stays taken.
        """
        self._do(lambda: self._detach(attachment))

    def reserve(self) -> Reservation:
        """Keep an address for what somebody else connects to the bridge.

        Raises:
            AddressError: none is free.
        """
        address = self._do(self._addresses.take)
        return Reservation(
            address=address, gateway=self.bridge.gateway, mac=names.inside_mac(address.ip)
        )

    def release(self, reservation: Reservation) -> None:
        """Give the address back, once nobody has it any more.

        Raises:
            AddressError: it was given back already.
        """
        self._do(lambda: self._addresses.release(reservation.address.ip))

    @property
    def attachments(self) -> frozenset[Attachment]:
        """What is attached now."""
        return frozenset(self._attached)

    def close(self) -> None:
        """Detach what is attached, remove the table and the bridge; idempotent.

        Raises:
            NetworkError: something resists; the rest is removed nevertheless.
        """
        if self._closed:
            return
        try:
            ended = self._worker.submit(self._undo.close)
        except RuntimeError:  # the interpreter is ending, and threads do no more work
            remove(self._engine)
            self._closed = True
            return
        try:
            ended.result()
        finally:
            self._closed = True
            self._worker.shutdown()

    def _do[T](self, work: Callable[[], T]) -> T:
        try:
            future = self._worker.submit(work)
        except RuntimeError as error:
            raise NetworkError(f"the network {self._name} is closed; open another") from error
        return future.result()

    def _open(self, subnet: IPv4Network | None, *, nat: bool, mtu: int | None) -> None:
        self._ipr = self._undo.enter_context(links.socket_here())
        self._index = links.make_bridge(self._ipr, self._name)
        self._undo.callback(links.remove_link, self._ipr, self._name)
        found = survey(self._ipr, without=self._index)
        self._addresses = Allocator(claim(self._ipr, self._index, subnet, found.taken))
        gateway = self._addresses.gateway
        self.bridge = Bridge(
            name=self._name,
            subnet=self._addresses.subnet,
            gateway=gateway,
            mac=names.inside_mac(gateway),
            mtu=found.mtu if mtu is None else mtu,
            nat=nat,
        )
        links.raise_bridge(self._ipr, self._index, self.bridge, self._engine)
        if nat or self._pinned:
            self._undo.callback(self._remove_tables)
        if nat:
            table.make(self._engine, self.bridge)
        unpinned = ports.make(self._engine) if self._pinned else ""
        self._pinned = self._pinned and not unpinned
        self._undo.callback(self._detach_all)
        self.notes = notes(self.bridge, found)
        if unpinned:
            self.notes += (
                f"containers with NET_RAW can forge ARP and IPv4 sources on the bridge: {unpinned}",
            )

    def _remove_tables(self) -> None:
        if not nftables.absent():
            table.remove(self._engine)

    def _attach(
        self, target: int | os.PathLike[str], interface: str, *, isolated: bool
    ) -> Attachment:
        netns = inside.opened(target)
        try:
            address = self._addresses.take()
            attachment = Attachment(
                address=address,
                gateway=self.bridge.gateway,
                interface=interface,
                mac=names.inside_mac(address.ip),
                host_interface=names.veth(
                    self._engine, int(address.ip) - int(self.bridge.subnet.network_address)
                ),
                isolated=isolated,
            )
            with ExitStack() as undo:
                undo.callback(self._addresses.release, address.ip)
                self._connect(attachment, netns, undo)
                self._attached.add(attachment)
                undo.pop_all()
        finally:
            os.close(netns)
        return attachment

    def _connect(self, attachment: Attachment, netns: int, undo: ExitStack) -> None:
        port = links.make_pair(self._ipr, self._index, attachment, netns=netns, mtu=self.bridge.mtu)
        undo.callback(links.remove_link, self._ipr, attachment.host_interface)
        undo.callback(links.forget_neighbour, self._ipr, self._index, attachment.address.ip)
        if self._pinned:
            again = attachment.host_interface in self._ports
            self._ports.add(attachment.host_interface)
            ports.pin(self._engine, attachment, again=again)
        links.open_port(self._ipr, self._index, port, attachment, self._engine)
        inside.configure(netns, attachment, self.bridge)
        links.await_up(self._ipr, port, attachment.host_interface)
        # a bridge without ports is down
        links.await_up(self._ipr, self._index, self._name)

    def _detach(self, attachment: Attachment) -> None:
        if attachment not in self._attached:
            return
        links.remove_link(self._ipr, attachment.host_interface)
        links.forget_neighbour(self._ipr, self._index, attachment.address.ip)
        self._addresses.release(attachment.address.ip)
        self._attached.remove(attachment)

    def _detach_all(self) -> None:
        with ExitStack() as every:
            for attachment in list(self._attached):
                every.callback(self._detach, attachment)
