"""Write a VM's devices as libvirt has them: https://libvirt.org/formatdomain.html#devices."""

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from vmdriver.architecture import AARCH64
from vmdriver.config import VmConfig
from vmdriver.profile import MICROVM, Profile

SERIAL = "serial"
PORTS = ("stamp", "control", "out", "err")
"""The virtio-serial ports of every VM; the guest finds each as ``tare.`` and the name."""

DISK = "vda"
"""The image's disk, to libvirt and to the guest."""

SHARE = "tare"
"""Tag under which a guest mounts a shared directory."""

_FIRST_SLOT = 3  # 0 to 2 belong to the machine, whichever of q35 and pc it is
_ROOT_PORTS = 14  # what virt-install gives a q35 or virt machine


class Devices:
    """Collects the devices of one VM below ``<devices>``."""

    def __init__(self, parent: ET.Element, profile: Profile) -> None:
        self._parent = parent
        self._profile = profile
        self._slot = _FIRST_SLOT

    def add(self, tag: str, **attributes: str) -> ET.Element:
        """A device, or a controller, that has no place of its own on a bus."""
        return ET.SubElement(self._parent, tag, attributes)

    def place(self, device: ET.Element) -> None:
        """Put a virtio device where this kind of machine has it.

        On a bare PC that is the root bus itself: no PCIe root port a device for the guest to
        enumerate. On others libvirt chooses.
        """
        if self._profile.machine.startswith(MICROVM):
            ET.SubElement(device, "address", type="virtio-mmio")
        elif self._profile.bare:
            slot = f"0x{self._slot:02x}"
            ET.SubElement(device, "address", type="pci", bus="0x00", slot=slot, function="0x0")
            self._slot += 1


def add_devices(
    parent: ET.Element, config: VmConfig, profile: Profile, sockets: Mapping[str, Path]
) -> None:
    """Fill ``<devices>``; see `vmdriver.libvirt.domain_xml.domain_xml` for the arguments."""
    devices = Devices(parent, profile)
    if not profile.bare and profile.machine.startswith(("q35", "pc-q35", "virt")):
        devices.add("controller", type="pci", model="pcie-root")
        for _ in range(_ROOT_PORTS):
            devices.add("controller", type="pci", model="pcie-root-port")
    if config.shared:
        _share(devices, config)
    else:
        _disk(devices, config, profile)
    _ports(devices, config, sockets)
    _usb(devices, config, profile)
    _balloon(devices, profile)
    _ordinary(devices, profile)
    _network(devices, config, profile)


def _disk(devices: Devices, config: VmConfig, profile: Profile) -> None:
    disk = devices.add("disk", type="file", device="disk")
    driver = ET.SubElement(disk, "driver", name="qemu", type="raw")
    if profile.disk_cache:
        driver.set("cache", profile.disk_cache)
    if profile.disk_io:
        driver.set("io", profile.disk_io)
    if profile.queues:
        driver.set("queues", str(profile.queues))
    if profile.io_thread:
        driver.set("iothread", "1")
    ET.SubElement(disk, "source", file=str(config.disk))
    ET.SubElement(disk, "target", dev=DISK, bus="virtio")
    ET.SubElement(disk, "readonly")
    devices.place(disk)


def _share(devices: Devices, config: VmConfig) -> None:
    """The image's own directory, which no guest may write to, not even as its root."""
    share = devices.add("filesystem", type="mount", accessmode="passthrough")
    if config.disk_type == "virtiofs":
        ET.SubElement(share, "driver", type="virtiofs")
    ET.SubElement(share, "source", dir=str(config.disk))
    ET.SubElement(share, "target", dir=SHARE)
    ET.SubElement(share, "readonly")
    devices.place(share)


def _ports(devices: Devices, config: VmConfig, sockets: Mapping[str, Path]) -> None:
    devices.place(devices.add("controller", type="virtio-serial", index="0"))
    serial = devices.add("serial", type="unix")
    ET.SubElement(serial, "source", mode="connect", path=str(sockets[SERIAL]))
    if config.architecture == AARCH64.name:
        target = ET.SubElement(serial, "target", type="system-serial", port="0")
        ET.SubElement(target, "model", name="pl011")
    else:
        ET.SubElement(serial, "target", type="isa-serial", port="0")
    for port in PORTS:
        channel = devices.add("channel", type="unix")
        ET.SubElement(channel, "source", mode="connect", path=str(sockets[port]))
        ET.SubElement(channel, "target", type="virtio", name=f"tare.{port}")


def _usb(devices: Devices, config: VmConfig, profile: Profile) -> None:
    if not profile.usb:
        devices.add("controller", type="usb", model="none")
        return
    devices.add("controller", type="usb", model="qemu-xhci", ports="15")
    devices.add("input", type="tablet", bus="usb")
    if config.architecture == AARCH64.name:  # a PC's is on PS/2
        devices.add("input", type="keyboard", bus="usb")


def _balloon(devices: Devices, profile: Profile) -> None:
    if not profile.balloon and not profile.free_page_reporting:
        devices.add("memballoon", model="none")
        return
    balloon = devices.add("memballoon", model="virtio")
    if profile.free_page_reporting:
        balloon.set("freePageReporting", "on")
    devices.place(balloon)


def _ordinary(devices: Devices, profile: Profile) -> None:
    if profile.video:
        ET.SubElement(devices.add("video"), "model", type=profile.video)
    if profile.sound:
        devices.add("sound", model="ich9")
    if profile.rng:
        rng = devices.add("rng", model="virtio")
        ET.SubElement(rng, "backend", model="random").text = "/dev/urandom"
        devices.place(rng)
    if profile.bare:
        devices.add("audio", id="1", type="none")


def _network(devices: Devices, config: VmConfig, profile: Profile) -> None:
    if config.network is None and not profile.network:
        return
    interface = devices.add("interface", type="user")
    if config.network is not None:
        config.network.describe(interface)
    ET.SubElement(interface, "model", type="virtio")
    if profile.bare and not profile.machine.startswith(MICROVM):
        ET.SubElement(interface, "rom", enabled="no")  # nobody boots from it
    devices.place(interface)
