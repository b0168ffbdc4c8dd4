"""Write the libvirt domain XML of a VM. Format: https://libvirt.org/formatdomain.html."""

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from vmdriver.architecture import AARCH64
from vmdriver.config import VmConfig
from vmdriver.host import uefi
from vmdriver.host.cpus import as_list, nodes_of, spread
from vmdriver.libvirt.devices_xml import add_devices
from vmdriver.libvirt.kernel_command_line import kernel_command_line
from vmdriver.profile import DIRECT, MICROVM, SEABIOS, UEFI, Profile


def domain_xml(
    config: VmConfig,
    sockets: Mapping[str, Path],
    *,
    knows_ps2: bool = True,
    owner: tuple[int, int] | None = None,
    variables: Path | None = None,
) -> str:
    """The XML of ``config``.

    Args:
        config: the VM.
        sockets: where QEMU connects each port of `vmdriver.libvirt.devices_xml`. It is listened
            to first: no byte is lost, and the connection tells when QEMU runs and as which process.
        knows_ps2: whether this libvirt can leave the PS/2 controller out.
        owner: user and group a daemon shall run QEMU as, without giving it our files; None leaves
            both to libvirt.
        variables: the VM's own copy of the variables of its firmware, where that is UEFI.
    """
    profile = config.resolved_profile()
    kvm = config.accelerator == "kvm"
    domain = ET.Element("domain", type="kvm" if kvm else "qemu")
    _text(domain, "name", config.name)
    _text(domain, "memory", str(config.memory_mib), unit="MiB")
    _memory(domain, config, profile)
    _cpus(domain, config, profile)
    _boot(domain, config, profile, variables)
    _features(domain, config, profile, knows_ps2=knows_ps2)
    mode = profile.cpu_kvm if kvm else profile.cpu_tcg
    if mode:
        cpu = ET.SubElement(domain, "cpu", mode=mode)
        for feature in config.cpu_features_off:
            ET.SubElement(cpu, "feature", policy="disable", name=feature)
    _clock(domain, config, profile)
    for event in ("on_poweroff", "on_reboot", "on_crash"):
        _text(domain, event, "destroy")
    if config.architecture != AARCH64.name and not profile.bare:
        power = ET.SubElement(domain, "pm")
        ET.SubElement(power, "suspend-to-mem", enabled="no")
        ET.SubElement(power, "suspend-to-disk", enabled="no")
    add_devices(ET.SubElement(domain, "devices"), config, profile, sockets)
    if owner is not None:
        label = ET.SubElement(domain, "seclabel", type="static", model="dac", relabel="no")
        _text(label, "label", f"+{owner[0]}:+{owner[1]}")
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode")


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text


def _memory(domain: ET.Element, config: VmConfig, profile: Profile) -> None:
    shared = config.disk_type == "virtiofs"  # virtiofsd maps guest RAM, too
    if profile.hugepages or shared:
        backing = ET.SubElement(domain, "memoryBacking")
        if profile.hugepages:
            ET.SubElement(backing, "hugepages")
        ET.SubElement(backing, "source", type="memfd")
        if shared:
            ET.SubElement(backing, "access", mode="shared")
    nodes = nodes_of(frozenset(config.cpuset)) if profile.pin and config.cpuset else ()
    if nodes:
        tune = ET.SubElement(domain, "numatune")
        ET.SubElement(tune, "memory", mode="strict", nodeset=",".join(map(str, nodes)))


def _cpus(domain: ET.Element, config: VmConfig, profile: Profile) -> None:
    if profile.io_thread:
        _text(domain, "iothreads", "1")
    if config.cpuset is None:
        _text(domain, "vcpu", str(config.vcpus))
        return
    cpus = as_list(config.cpuset)
    # One CPU each where there are enough; else all share, as a container's threads would.
    one_each = profile.pin and config.vcpus <= len(config.cpuset)
    ordered = spread(frozenset(config.cpuset)) if one_each else ()
    _text(domain, "vcpu", str(config.vcpus), placement="static", cpuset=cpus)
    tune = ET.SubElement(domain, "cputune")
    for vcpu in range(config.vcpus):
        own = str(ordered[vcpu]) if one_each else cpus
        ET.SubElement(tune, "vcpupin", vcpu=str(vcpu), cpuset=own)
    ET.SubElement(tune, "emulatorpin", cpuset=cpus)
    if profile.io_thread:
        ET.SubElement(tune, "iothreadpin", iothread="1", cpuset=cpus)


def _boot(domain: ET.Element, config: VmConfig, profile: Profile, variables: Path | None) -> None:
    system = ET.SubElement(domain, "os")
    _text(system, "type", "hvm", arch=config.architecture, machine=profile.machine)
    if profile.firmware == UEFI:
        code = str(uefi.find(profile.machine).code)
        _text(system, "loader", code, readonly="yes", type="pflash")
        _text(system, "nvram", str(variables))
    elif profile.firmware not in {SEABIOS, DIRECT}:
        _text(system, "loader", profile.firmware, readonly="yes", type="rom")
    _text(system, "kernel", str(config.kernel))
    _text(system, "initrd", str(config.initrd))
    _text(system, "cmdline", kernel_command_line(config))


def _features(domain: ET.Element, config: VmConfig, profile: Profile, *, knows_ps2: bool) -> None:
    features = ET.SubElement(domain, "features")
    virt = config.architecture == AARCH64.name
    if not virt or profile.firmware == UEFI:  # libvirt refuses it of arm64 without
        ET.SubElement(features, "acpi")  # without it a PC's guest cannot power off
    if virt:  # which powers off by PSCI
        ET.SubElement(features, "gic", version="host" if config.accelerator == "kvm" else "3")
    else:
        ET.SubElement(features, "apic")
    # Neither virt nor a microvm has any of these to leave out.
    if not virt and not profile.machine.startswith(MICROVM):
        ET.SubElement(features, "vmport", state="off")
        for feature in ("smm", *(("ps2",) if knows_ps2 else ())) if profile.bare else ():
            ET.SubElement(features, feature, state="off")
    if profile.translation_cache_mib is not None and config.accelerator == "tcg":
        cache = ET.SubElement(ET.SubElement(features, "tcg"), "tb-cache", unit="MiB")
        cache.text = str(profile.translation_cache_mib)


def _clock(domain: ET.Element, config: VmConfig, profile: Profile) -> None:
    clock = ET.SubElement(domain, "clock", offset="utc")
    if config.architecture == AARCH64.name or profile.machine.startswith(MICROVM):
        return
    if not profile.bare:
        ET.SubElement(clock, "timer", name="rtc", tickpolicy="catchup")
        ET.SubElement(clock, "timer", name="pit", tickpolicy="delay")
    ET.SubElement(clock, "timer", name="hpet", present="no")
