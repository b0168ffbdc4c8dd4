"""Name the architectures of guests, and what differs between them outside profiles.

The micro-guest of the audit, the kernel's entry and the carrier of output are machine code of each.
"""

import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

_RHEL_QEMU = "/usr/libexec/qemu-kvm"


@dataclass(frozen=True)
class Architecture:
    """One architecture of guests.

    Attributes:
        name: as uname(2), libvirt and the name of QEMU's program say.
        debian: as Debian's and Ubuntu's packages say (dpkg-architecture(1)).
        elf: ``e_machine`` of its programs (elf(5)).
        package: what brings its QEMU.
        firmware_package: what brings its UEFI.
        machine: the machine type of its ordinary profiles, as libvirt spells it.
        console: the kernel's name of its first serial port.
    """

    name: str
    debian: str
    elf: int
    package: str
    firmware_package: str
    machine: str
    console: str

    @property
    def qemu(self) -> str:
        """QEMU's program for it: on the PATH, or where RHEL and its like keep their host's own."""
        name = f"qemu-system-{self.name}"
        own = (_RHEL_QEMU, "qemu-kvm") if self.name == platform.machine() else ()
        found = (shutil.which(program) for program in (name, *own))
        return next((program for program in found if program), f"/usr/bin/{name}")

    @property
    def qemu_remedy(self) -> str:
        """What to do where there is none, in words."""
        return f"install {self.package} (Debian, Ubuntu) or qemu-kvm (Fedora, RHEL)"


X86_64 = Architecture("x86_64", "amd64", 62, "qemu-system-x86", "ovmf", "q35", "ttyS0")
AARCH64 = Architecture(
    *("aarch64", "arm64", 183, "qemu-system-arm", "qemu-efi-aarch64", "virt", "ttyAMA0")
)
ARCHITECTURES: Mapping[str, Architecture] = {one.name: one for one in (X86_64, AARCH64)}


def of(name: str) -> Architecture:
    """The architecture of that name; of one that is not done, what a PC has: nothing starts there.

    `unsupported` says so before anything does.
    """
    return ARCHITECTURES.get(name, X86_64)


def of_machine(machine: str) -> Architecture:
    """Whose machine type that is, as libvirt spells it: ``virt`` is arm64's, others are PCs."""
    return AARCH64 if machine.startswith(AARCH64.machine) else X86_64


def unsupported(name: str | None = None) -> str | None:
    """Why no VM can be driven on this host, in words; None where they can.

    Args:
        name: the architecture, as uname(2) says; None is the host's.
    """
    name = name or platform.machine()
    return None if name in ARCHITECTURES else f"VMs are driven on x86-64 and arm64, not on {name}"
