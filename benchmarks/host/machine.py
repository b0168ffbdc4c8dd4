"""Whether the host is itself a guest, from the traces that its hypervisor leaves.

x86 says so by a CPUID bit. Other architectures have none: there the firmware's names tell, or the
device tree, which is how systemd-detect-virt(1) does it as well.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/")

_CLOCKS = (("kvm-clock", "kvm"), ("hyperv", "hyperv"), ("xen", "xen"))
"""Clock sources that only guests have."""
_GUEST_NAMES = (
    (r"\bAmazon EC2\b", "amazon"),
    (r"\bGoogle Compute Engine\b", "google"),
    (r"\bMicrosoft Corporation Virtual Machine\b", "hyperv"),
    (r"\bKVM\b|\bOpenStack\b|\bKubeVirt\b|\bvServer\b|\bDroplet\b", "kvm"),
    (r"\bVMware\b", "vmware"),
    (r"\bVirtualBox\b|\binnotek\b", "oracle"),
    (r"\bXen\b", "xen"),
    (r"\bParallels\b", "parallels"),
    (r"\bApple Virtualization\b", "apple"),
    (r"\bBHYVE\b", "bhyve"),
    (r"\bQEMU\b|\bBochs\b", "qemu"),
)
_MODULES = ("kvm_intel", "kvm_amd", "kvm_pvm")
_METAL = re.compile(r"\bmetal\b|-metal-")
"""Whole machines of EC2 and Google, whose firmware bears the cloud's name all the same."""


def virtualised(cpu_flags: str | None, root: Path = ROOT) -> bool | None:
    """Tell whether the host is a guest; None where nothing says so or the contrary.

    Args:
        cpu_flags: The line ``flags`` of /proc/cpuinfo; None on architectures that have none.
        root: Where to find ``proc`` and ``sys``.
    """
    if cpu_flags:
        return "hypervisor" in cpu_flags.split()
    if hypervisor(root):
        return True
    return False if product(root) else None


def hypervisor(root: Path = ROOT) -> str | None:
    """Name the hypervisor below, in systemd-detect-virt's words where it has any."""
    if kind := _read(root / "sys/hypervisor/type"):
        return kind
    clock = root / "sys/devices/system/clocksource/clocksource0/available_clocksource"
    clocks = _read(clock) or ""
    for source, name in _CLOCKS:
        if source in clocks:
            return name
    compatible = _read(root / "proc/device-tree/hypervisor/compatible") or ""
    for name in ("kvm", "xen", "vmware"):
        if name in compatible:
            return name
    made_by = product(root) or ""
    if not _METAL.search(made_by):
        for pattern, name in _GUEST_NAMES:
            if re.search(pattern, made_by):
                return name
    return None


def product(root: Path = ROOT) -> str | None:
    """Return the machine's maker and name, as its firmware gives them."""
    names = (_read(root / "sys/class/dmi/id" / name) for name in ("sys_vendor", "product_name"))
    return " ".join(name for name in names if name) or None


class Kvm(NamedTuple):
    """What a host has of KVM, before anything is measured.

    Attributes:
        device: Whether there is a /dev/kvm.
        modules: Those of ``kvm_intel``, ``kvm_amd`` and ``kvm_pvm`` that are loaded.
        flag: ``vmx`` or ``svm`` where the CPU has it; None otherwise, as on arm64.
    """

    device: bool
    modules: tuple[str, ...]
    flag: str | None


def kvm(root: Path = ROOT) -> Kvm:
    """Look at what there is of KVM."""
    flags = re.search(r"^flags\s*:(.*)", _read(root / "proc/cpuinfo") or "", re.MULTILINE)
    words = flags[1].split() if flags else []
    return Kvm(
        device=(root / "dev/kvm").exists(),
        modules=tuple(name for name in _MODULES if (root / "sys/module" / name).is_dir()),
        flag=next((flag for flag in ("vmx", "svm") if flag in words), None),
    )


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip(" \t\n\0")
    except OSError:
        return None
