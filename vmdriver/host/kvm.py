"""Tell why KVM cannot be used on this host, what it is worth by its kind, and what to do.

Sources: Linux ``Documentation/virt/kvm``; ``/proc/cpuinfo`` lacks ``vmx`` where the firmware has it
disabled (Linux 5.6, ``arch/x86/kernel/cpu/feat_ctl.c``) and ``svm`` likewise since 6.7; the flag
``hypervisor`` is set in every virtual machine (CPUID 1, ECX bit 31).
"""

import errno
import grp
import os
import platform
from dataclasses import dataclass
from pathlib import Path

_HOST = Path("/")
_MODULES = {"vmx": "kvm_intel", "svm": "kvm_amd"}
_FIRMWARE = {"GenuineIntel": "Intel VT-x", "AuthenticAMD": "AMD-V (SVM)", "HygonGenuine": "SVM"}
_INTO_CONTAINER = "start this container with --device /dev/kvm"


@dataclass(frozen=True)
class Obstacle:
    """Why something cannot be used.

    Attributes:
        reason: what was found, in words.
        remedy: what to do, in words; None where nothing here helps.
    """

    reason: str
    remedy: str | None


def obstacle(root: Path = _HOST) -> Obstacle | None:
    """Why ``/dev/kvm`` cannot be opened; None where it can.

    Args:
        root: where ``dev``, ``proc`` and ``sys`` are.
    """
    device = root / "dev/kvm"
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return _no_device(root)
    except OSError as error:
        return _refused(device, error, root)
    return None


def kind(root: Path = _HOST) -> Obstacle | None:
    """What makes this host's KVM slower than hardware's; None where nothing is known to."""
    if (root / "sys/module/kvm_pvm").is_dir():
        return Obstacle(
            "it is PVM (kvm_pvm), which accelerates only kernels built for it (CONFIG_PVM_GUEST)",
            "measure VMs on a host whose KVM uses hardware virtualization, be it nested",
        )
    if "hypervisor" in _flags(root):
        return Obstacle("it is nested: this host is itself a virtual machine", None)
    return None


def _refused(device: Path, error: OSError, root: Path) -> Obstacle:
    if error.errno == errno.EACCES:
        group = _group(device)
        return Obstacle(
            "this user may not open /dev/kvm",
            f"join the group {group} (usermod --append --groups {group} USER, then log in again) "
            "or become root",
        )
    if error.errno == errno.EPERM:
        return Obstacle("the device rules of this container refuse /dev/kvm", _INTO_CONTAINER)
    if error.errno in {errno.ENODEV, errno.ENXIO}:
        return _no_device(root)
    return Obstacle(f"/dev/kvm cannot be opened: {error.strerror}", None)


def _no_device(root: Path) -> Obstacle:
    if (root / "sys/class/misc/kvm").exists():
        return Obstacle("the kernel has KVM, and there is no /dev/kvm here", _INTO_CONTAINER)
    flags = _flags(root)
    for flag, module in _MODULES.items():
        if flag in flags:
            return Obstacle(
                f"there is no /dev/kvm: the CPU has {flag}, and the module {module} is not loaded",
                f"run modprobe {module}; where that says that it is disabled, enable hardware "
                "virtualization in the firmware's settings",
            )
    if "hypervisor" in flags:
        return Obstacle(
            "there is no /dev/kvm: this host is a virtual machine that was given no hardware "
            "virtualization",
            "enable nested virtualization for it in its hypervisor, or use a host of bare metal",
        )
    name = _FIRMWARE.get(_vendor(root))
    if name is not None:
        return Obstacle(
            "there is no /dev/kvm: the CPU shows no hardware virtualization, which its firmware "
            "may have disabled",
            f"enable {name} in the firmware's settings",
        )
    if platform.machine() == "aarch64":
        return Obstacle(
            "there is no /dev/kvm: the kernel was not started at EL2, where KVM lives",
            "use a host of bare metal, or one whose hypervisor nests",
        )
    return Obstacle("there is no /dev/kvm: no hardware virtualization", None)


def _group(device: Path) -> str:
    number = device.stat().st_gid
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _flags(root: Path) -> set[str]:
    return set(_cpuinfo(root, "flags").split())


def _vendor(root: Path) -> str:
    return _cpuinfo(root, "vendor_id")


def _cpuinfo(root: Path, field: str) -> str:
    """The first CPU's value; empty where it has none (proc_cpuinfo(5))."""
    try:
        text = (root / "proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return ""
