"""Writes the libvirt domain XML of a VM. Format: https://libvirt.org/formatdomain.html."""

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from vmdriver.config import SEABIOS, Profile, VmConfig

SERIAL = "serial"
PORTS = ("stamp", "control", "out", "err")
"""The virtio-serial ports of every VM; the guest finds each as ``tare.`` and the name."""

_KERNEL_PARAMETERS = (
    # The early console replays what the kernel has said so far as soon as it can write, long
    # before the real console: the first byte on the host's side is the boundary "kernel".
    "console=ttyS0",
    "earlycon=uart8250,io,0x3f8",
    "loglevel=6",  # one notice with the version, warnings, panics
    "panic=-1",  # restart at once, which QEMU is told to treat as the end
)


def domain_xml(
    config: VmConfig,
    sockets: Mapping[str, Path],
    *,
    knows_ps2: bool = True,
    owner: tuple[int, int] | None = None,
) -> str:
    """The XML of ``config``.

    Args:
        config: the VM.
        sockets: where QEMU connects the console (`SERIAL`) and each of `PORTS`; we listen first,
            so no byte is lost and the connection itself tells when QEMU runs, and as which process.
        knows_ps2: whether this libvirt can leave the PS/2 controller out.
        owner: user and group a daemon shall run QEMU as, without giving it our files; None leaves
            both to libvirt.
    """
    profile = config.resolved_profile()
    kvm = config.accelerator == "kvm"
    domain = ET.Element("domain", type="kvm" if kvm else "qemu")
    _text(domain, "name", config.name)
    _text(domain, "memory", str(config.memory_mib), unit="MiB")
    _vcpus(domain, config)
    _boot(domain, config, profile)
    _features(domain, profile, knows_ps2=knows_ps2)
    mode = profile.cpu_kvm if kvm else profile.cpu_tcg
    if mode:
        cpu = ET.SubElement(domain, "cpu", mode=mode)
        for feature in config.cpu_features_off:
            ET.SubElement(cpu, "feature", policy="disable", name=feature)
    clock = ET.SubElement(domain, "clock", offset="utc")
    if profile.bare:
        ET.SubElement(clock, "timer", name="hpet", present="no")
    for event in ("on_poweroff", "on_reboot", "on_crash"):
        _text(domain, event, "destroy")
    _devices(ET.SubElement(domain, "devices"), config, profile, sockets)
    if owner is not None:
        label = ET.SubElement(domain, "seclabel", type="static", model="dac", relabel="no")
        _text(label, "label", f"+{owner[0]}:+{owner[1]}")
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode")


def kernel_command_line(config: VmConfig) -> str:
    """The kernel's command line for ``config``."""
    return " ".join(
        (
            *_KERNEL_PARAMETERS,
            f"tare.fs={config.disk_type}",
            f"hostname={config.hostname}",
            *config.resolved_profile().kernel_parameters,
            *config.kernel_parameters,
        )
    )


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text


def _vcpus(domain: ET.Element, config: VmConfig) -> None:
    if config.cpuset is None:
        _text(domain, "vcpu", str(config.vcpus))
        return
    cpus = ",".join(str(cpu) for cpu in sorted(config.cpuset))
    _text(domain, "vcpu", str(config.vcpus), placement="static", cpuset=cpus)
    tune = ET.SubElement(domain, "cputune")
    ordered = sorted(config.cpuset)
    for vcpu in range(config.vcpus):
        # One CPU each where there are enough; else all share, as a container's threads would.
        own = str(ordered[vcpu]) if config.vcpus <= len(ordered) else cpus
        ET.SubElement(tune, "vcpupin", vcpu=str(vcpu), cpuset=own)
    ET.SubElement(tune, "emulatorpin", cpuset=cpus)


def _boot(domain: ET.Element, config: VmConfig, profile: Profile) -> None:
    system = ET.SubElement(domain, "os")
    _text(system, "type", "hvm", arch="x86_64", machine=profile.machine)
    if profile.firmware != SEABIOS:
        _text(system, "loader", profile.firmware, readonly="yes", type="rom")
    _text(system, "kernel", str(config.kernel))
    _text(system, "initrd", str(config.initrd))
    _text(system, "cmdline", kernel_command_line(config))


def _features(domain: ET.Element, profile: Profile, *, knows_ps2: bool) -> None:
    features = ET.SubElement(domain, "features")
    ET.SubElement(features, "acpi")  # without it the guest cannot power off
    ET.SubElement(features, "apic")
    if profile.bare:
        for feature in ("vmport", "smm", *(("ps2",) if knows_ps2 else ())):
            ET.SubElement(features, feature, state="off")


def _devices(
    devices: ET.Element, config: VmConfig, profile: Profile, sockets: Mapping[str, Path]
) -> None:
    disk = ET.SubElement(devices, "disk", type="file", device="disk")
    ET.SubElement(disk, "driver", name="qemu", type="raw")
    ET.SubElement(disk, "source", file=str(config.disk))
    ET.SubElement(disk, "target", dev="vda", bus="virtio")
    ET.SubElement(disk, "readonly")
    ports = ET.SubElement(devices, "controller", type="virtio-serial", index="0")
    if profile.bare:
        # On the root bus itself: no PCIe root port a device for the guest to enumerate.
        for slot, device in ((1, disk), (2, ports)):
            ET.SubElement(
                device, "address", type="pci", bus="0x00", slot=f"0x{slot:02x}", function="0x0"
            )
    if not profile.usb:
        ET.SubElement(devices, "controller", type="usb", model="none")
    else:
        ET.SubElement(devices, "controller", type="usb", model="qemu-xhci")
        ET.SubElement(devices, "input", type="tablet", bus="usb")
    serial = ET.SubElement(devices, "serial", type="unix")
    ET.SubElement(serial, "source", mode="connect", path=str(sockets[SERIAL]))
    ET.SubElement(serial, "target", type="isa-serial", port="0")
    for port in PORTS:
        channel = ET.SubElement(devices, "channel", type="unix")
        ET.SubElement(channel, "source", mode="connect", path=str(sockets[port]))
        ET.SubElement(channel, "target", type="virtio", name=f"tare.{port}")
    ET.SubElement(devices, "memballoon", model="virtio" if profile.balloon else "none")
    if profile.video:
        video = ET.SubElement(devices, "video")
        ET.SubElement(video, "model", type="vga")
    if profile.rng:
        rng = ET.SubElement(devices, "rng", model="virtio")
        _text(rng, "backend", "/dev/urandom", model="random")
    if profile.network:
        network = ET.SubElement(devices, "interface", type="user")
        ET.SubElement(network, "model", type="virtio")
    if profile.bare:
        ET.SubElement(devices, "audio", id="1", type="none")
