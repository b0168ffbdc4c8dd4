"""Name the ways to make a VM of given size, as values to read, compare and replace.

A profile of one's own is another one with some fields replaced::

    mine = dataclasses.replace(TUNED, name="mine", machine="pc", io_thread=True)
    print(*diff(mine, TUNED), sep="; ")

Sources: the domain that virt-install 5.0 writes for a current Linux guest (its documentation and
its own expected output for ``--osinfo linux2020`` and for aarch64);
https://libvirt.org/formatdomain.html.
"""

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vmdriver.architecture import AARCH64, X86_64

SEABIOS = "seabios"
"""QEMU's own default firmware of a PC."""

UEFI = "uefi"
"""OVMF or AAVMF, where it is installed (`vmdriver.host.uefi`)."""

DIRECT = "direct"
"""No firmware: a few instructions of QEMU's enter the kernel (QEMU ``hw/arm/boot.c``)."""

MICROVM = "microvm"
"""QEMU's machine type without PCI, ISA slots or option ROMs (QEMU docs/system/i386/microvm)."""


@dataclass(frozen=True)
class Profile:
    """One way to make a VM of given size. Two can be compared with `diff`.

    Attributes:
        name: what reports call it.
        machine: QEMU's machine type, as libvirt spells it: ``q35``, ``pc``, ``microvm``, or one
            with a version; on arm64 ``virt``.
        firmware: ``seabios`` (a PC's default), ``uefi`` (OVMF, AAVMF), ``direct`` (none, arm64
            alone), or the path of another ROM, such as qboot's.
        kernel: ``vmlinux`` (uncompressed; entered by PVH on a PC, the ``Image`` on arm64) or
            ``bzimage`` (as packaged): which of the two a `VmConfig` gives; it decides which early
            console is asked for.
        init: what the guest boots, given likewise: ``tare``, the driver's own initramfs and init,
            or ``distribution``, the initrd of the distribution's tools and its init, systemd.
        cpu_kvm: libvirt's CPU mode under KVM; ``""`` leaves it to libvirt.
        cpu_tcg: the same under TCG.
        bare: no device that is not asked for: PS/2, USB, video, TPM, watchdog (where libvirt lets
            it be left out), no PCIe root ports, SMM or vmport. Off: the clocks and root ports of
            virt-install.
        video: model of the graphics card, or ``""``.
        sound, usb, balloon, rng, network: ordinary devices, there when set. ``usb`` is a USB 3
            controller with a tablet; ``network`` is QEMU's user network.
        free_page_reporting: the guest returns pages it frees (virtio-balloon, ``balloon`` or not).
        queues: request queues of the disk; 0 leaves it to QEMU, which takes one a vCPU.
        io_thread: the disk is served by a thread of its own.
        disk_cache: QEMU's cache mode for the image: ``writeback``, ``none`` (past the host's page
            cache), ``directsync``, ``unsafe``, ``writethrough``, or ``""`` for its default.
        disk_io: ``threads``, ``native`` (needs ``none`` or ``directsync``), ``io_uring`` or ``""``.
        pin: each vCPU on a CPU of its own where there are enough, of the fastest kind and of
            different cores first (`vmdriver.host.cpus`), and guest RAM on the NUMA nodes of these
            CPUs. Off: all threads share all CPUs of the VM.
        hugepages: guest RAM on the host's huge pages, where enough of them are free on its nodes
            and claimed by nobody (`vmdriver.host.hugepages`).
        translation_cache_mib: largest size of TCG's translated code; None leaves it to QEMU.
        kernel_parameters: appended to the kernel's command line.
    """

    name: str
    machine: str
    firmware: str = SEABIOS
    kernel: str = "bzimage"
    init: str = "tare"
    cpu_kvm: str = "host-passthrough"
    cpu_tcg: str = "maximum"
    bare: bool = False
    video: str = ""
    sound: bool = False
    usb: bool = False
    balloon: bool = False
    rng: bool = False
    network: bool = False
    free_page_reporting: bool = False
    queues: int = 0
    io_thread: bool = False
    disk_cache: str = ""
    disk_io: str = ""
    pin: bool = False
    hugepages: bool = False
    translation_cache_mib: int | None = None
    kernel_parameters: tuple[str, ...] = ()


def installed(profile: Profile) -> Profile:
    """The profile with SeaBIOS in place of a firmware that this host does not have."""
    if profile.firmware in {SEABIOS, UEFI, DIRECT} or Path(profile.firmware).is_file():
        return profile
    return replace(profile, firmware=SEABIOS)


_NOTHING_TO_TEST = (
    "cryptomgr.notests",  # the self-tests say nothing about a workload
    "rcupdate.rcu_expedited=1",
    "random.trust_cpu=on",
)
_NOTHING_TO_PROBE = (
    "8250.nr_uarts=1",  # else four legacy ports are probed
    "edd=off",  # no BIOS disks to ask for
    "no_timer_check",
    "tsc=reliable",
    *_NOTHING_TO_TEST,
)

TUNED = Profile(
    name="tuned",
    machine="q35",
    # qboot only sets up what Linux needs and jumps to it: no BIOS services, no option ROMs.
    firmware="/usr/share/qemu/qboot.rom",
    kernel="vmlinux",
    bare=True,
    pin=True,
    hugepages=True,
    kernel_parameters=_NOTHING_TO_PROBE,
)
"""The VM's best case: direct kernel, PVH entry, no needless device."""

MICRO = replace(TUNED, name="microvm", machine=MICROVM)
"""The same on QEMU's smallest machine: virtio-mmio, no PCI at all."""

STOCK = Profile(
    name="stock",
    machine="q35",
    init="distribution",
    cpu_tcg="",
    video="virtio",
    sound=True,
    usb=True,
    balloon=True,
    rng=True,
    network=True,
)
"""What a user gets untuned: SeaBIOS, the devices of virt-install, the distribution's own boot."""

STOCK_UEFI = replace(STOCK, name="uefi", firmware=UEFI)
"""The same with OVMF in place of SeaBIOS."""

VIRT_TUNED = replace(
    TUNED, machine=AARCH64.machine, firmware=DIRECT, kernel_parameters=_NOTHING_TO_TEST
)
"""`TUNED` on arm64: no firmware at all, the kernel's ``Image``, no needless device."""

VIRT_STOCK = replace(
    STOCK,
    machine=AARCH64.machine,
    firmware=UEFI,
    cpu_tcg="maximum",  # libvirt's own choice is a CPU of 32 bits
    sound=False,
)
"""`STOCK` on arm64, where virt-install takes UEFI, and adds sound for SPICE only."""

PROFILES_OF: Mapping[str, Mapping[str, Profile]] = {
    X86_64.name: {profile.name: profile for profile in (TUNED, MICRO, STOCK, STOCK_UEFI)},
    AARCH64.name: {profile.name: profile for profile in (VIRT_TUNED, VIRT_STOCK)},
}
"""By architecture, by name."""

PROFILES: Mapping[str, Profile] = PROFILES_OF.get(platform.machine(), PROFILES_OF[X86_64.name])
"""Those of this host, by name."""


def diff(profile: Profile, base: Profile) -> list[str]:
    """What differs from ``base``, one line a field: "machine: 'q35' -> 'microvm'"."""
    ours, theirs = asdict(profile), asdict(base)
    return [
        f"{name}: {theirs[name]!r} -> {ours[name]!r}"
        for name in sorted(ours)
        if name != "name" and ours[name] != theirs[name]
    ]
