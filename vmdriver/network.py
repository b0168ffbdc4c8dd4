"""Describe the guest's one network interface: what it hangs on, and the address it has.

A bridge is taken by its name and never made here. libvirt makes the tap device, which goes with
QEMU: nothing of it outlives the guest, however that ends. The address travels on the kernel's
command line to our own agent, since the driver is a module and the kernel's own ``ip=`` is over by
the time that is loaded.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Self
from xml.etree import ElementTree as ET

from vmdriver.errors import ConfigError

_MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}")
_INTERFACE = re.compile(r"[^\s/:]{1,15}")  # dev_valid_name() in Linux net/core/dev.c


@dataclass(frozen=True)
class Network:
    """How the guest reaches others.

    Attributes:
        address: the guest's IPv4 address and length of its subnet's prefix, as ``198.18.0.9/22``.
        gateway: where packets for beyond the subnet go; None for nowhere.
        nameserver: what ``/etc/resolv.conf`` names; None leaves the image's own.
        bridge: name of the bridge on the host whose port the guest becomes, in the network
            namespace that libvirt works in (embedded: the calling thread's); None for QEMU's own
            network without privileges, through which it reaches what the host's user does.
        mac: its link-layer address, lower case, unicast; None lets libvirt choose one at random.
    """

    address: str
    gateway: str | None = None
    nameserver: str | None = None
    bridge: str | None = None
    mac: str | None = None

    @classmethod
    def user(cls) -> Self:
        """QEMU's own network, with the addresses that it has where nobody changes them.

        Source: "-netdev user" in https://www.qemu.org/docs/master/system/invocation.html.
        """
        return cls("10.0.2.15/24", gateway="10.0.2.2", nameserver="10.0.2.3")

    def check(self) -> None:
        """Raise ConfigError for what cannot be an interface's."""
        try:
            subnet = ipaddress.IPv4Interface(self.address).network
            for other in filter(None, (self.gateway, self.nameserver)):
                ipaddress.IPv4Address(other)
        except ValueError as error:
            raise ConfigError(f"a guest cannot have this address: {error}") from error
        if "/" not in self.address:
            raise ConfigError(f"the guest's address {self.address} lacks its prefix, such as /24")
        if self.gateway is not None and ipaddress.IPv4Address(self.gateway) not in subnet:
            raise ConfigError(f"the gateway {self.gateway} is not in the guest's subnet {subnet}")
        if self.bridge is not None and not _INTERFACE.fullmatch(self.bridge):
            raise ConfigError(f"{self.bridge!r} cannot name a bridge")
        if self.mac is not None and not _MAC.fullmatch(self.mac):
            raise ConfigError(f"{self.mac!r} cannot be a guest's link-layer address")

    @property
    def parameter(self) -> str:
        """What the kernel's command line says of it to ``guest/agent.sh``."""
        return f"tare.net={self.address},{self.gateway or ''},{self.nameserver or ''}"

    def describe(self, interface: ET.Element) -> None:
        """Fill an ``<interface>``: https://libvirt.org/formatdomain.html#network-interfaces."""
        if self.mac is not None:
            ET.SubElement(interface, "mac", address=self.mac)
        if self.bridge is None:
            interface.set("type", "user")
        else:
            interface.set("type", "bridge")
            ET.SubElement(interface, "source", bridge=self.bridge)
