"""Offer a harness what it needs of this package beyond its public names.

A harness measures VMs and builds their images: it needs the files that a guest boots, what a VM is
told at its start, and the host's end of its ports. Nothing else of the package's insides is meant
for others.
"""

from pathlib import Path

from vmdriver.agent.shellwords import words
from vmdriver.architecture import of, of_machine
from vmdriver.guest import distribution
from vmdriver.guest.initramfs import ON_DEMAND, build_initramfs
from vmdriver.guest.kernel import check_kernel, extract_vmlinux
from vmdriver.guest.modules import Modules
from vmdriver.libvirt.devices_xml import SERIAL
from vmdriver.libvirt.embedded import settings as libvirt_settings
from vmdriver.libvirt.kernel_command_line import kernel_command_line
from vmdriver.qemu.console import Console
from vmdriver.qemu.ports import Ports

__all__ = [
    "GUEST_FILES",
    "ON_DEMAND",
    "SERIAL",
    "Console",
    "Modules",
    "Ports",
    "build_initramfs",
    "check_kernel",
    "distribution",
    "extract_vmlinux",
    "kernel_command_line",
    "libvirt_settings",
    "of",
    "of_machine",
    "words",
]

GUEST_FILES = Path(distribution.__file__).parent
"""Directory of everything that decides what `build_initramfs` and `extract_vmlinux` write."""
