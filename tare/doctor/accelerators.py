"""The check of what runs a guest's instructions, and what to do where nothing accelerates them."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.host import fingerprint, machine
from tare.doctor.model import Check, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmdriver import Accelerator

SETUP = "install the packages with `make setup`, or see the README"
HOW = "a tiny guest counted a loop under each, against the same loop natively"
_SLOW = (
    "QEMU is there and ran no guest to its end in time: end other work on this host and look again"
)
_ROOT = Path("/")
_EMULATED = "until then guests run on an emulated CPU, and their speeds are never ranked"


def accelerator() -> tuple[Check, str | None, bool]:
    """Check what runs a guest's instructions, by measuring, as a run's VMs do.

    Returns:
        The check, the name of the accelerator that a run takes, and whether it accelerates.
    """
    import vmdriver
    from benchmarks.sandboxes.vm import accelerator as measured

    qemu = f"qemu-system-{platform.machine()}"
    if vmdriver.unsupported() is None and shutil.which(qemu) is None:
        return _missing("not measured: no QEMU"), None, False
    try:
        audited = measured.audited()
    except Exception as error:  # noqa: BLE001  # whatever the audit meets is the finding
        return _missing(f"cannot be measured: {error}"), None, False
    return judge(audited), *_best(audited)


def judge(audited: Sequence[Accelerator], root: Path = _ROOT) -> Check:
    """Say what the audit means for a campaign.

    Args:
        audited: What each accelerator is worth here.
        root: Where to find ``proc``, ``sys`` and ``dev``; another directory only in tests.
    """
    name, fast = _best(audited)
    inside = machine.hypervisor(root) or "another hypervisor"
    nested = fast and fingerprint.fingerprint(root)["identity"]["virtualised"]
    words = [
        f"{a.name} {a.verdict}: {a.reason}"
        if a.verdict == "unusable"
        else f"{a.name} {a.verdict}{f' ({a.ratio:.2g} of native speed)' if a.ratio else ''}"
        for a in audited
    ]
    if nested:
        words.append(f"nested: this host is itself a guest of {inside}, which is in every number")
    told = "; ".join(a.remedy for a in audited if a.remedy)
    state = State.OK if fast else State.WARN if name else State.FAIL
    return Check(
        id="accelerator",
        title="accelerator",
        state=state,
        found="; ".join(words),
        how=HOW,
        advice={
            State.WARN: f"{told or remedy(root)}; {_EMULATED}",
            State.FAIL: told or (_SLOW if audited else SETUP),
        }.get(state),
    )


def _best(audited: Sequence[Accelerator]) -> tuple[str | None, bool]:
    """Name the accelerator that a run takes, by the rule of the VM sandbox."""
    for found in audited:
        if found.verdict == "accelerates":
            return found.name, True
    usable = any(found.verdict == "emulates" and found.name == "tcg" for found in audited)
    return ("tcg" if usable else None), False


def remedy(root: Path = _ROOT) -> str:
    """Say what would give this host a KVM that accelerates, from what it has of one."""
    found = machine.kvm(root)
    if "kvm_pvm" in found.modules:
        return (
            "this KVM is PVM (module kvm_pvm), for hosts without VT-x or SVM: it accelerates only "
            "guests whose kernel is built for it (CONFIG_PVM_GUEST), which no distribution's is; "
            "use a host with VT-x or SVM"
        )
    inside = machine.hypervisor(root)
    if found.device and found.modules and inside:
        return (
            f"this KVM is nested in {inside} and does not accelerate: have nested virtualization "
            "switched on there, or use bare metal"
        )
    if found.device:
        return "/dev/kvm is there and does not accelerate; see the kernel's messages (dmesg)"
    if found.flag is not None:
        module = {"vmx": "kvm_intel", "svm": "kvm_amd"}[found.flag]
        return (
            f"the CPU can ({found.flag}) and there is no /dev/kvm: modprobe {module}, give it to "
            "this container, or switch virtualization on in the firmware"
        )
    if inside is not None:
        return (
            f"this host is a guest of {inside} that is given no virtualization of its own: have "
            "nested virtualization switched on there, or use a metal instance"
        )
    return "there is no /dev/kvm: switch VT-x or SVM on in the firmware, or use another host"


def _missing(found: str) -> Check:
    return Check(
        id="accelerator", title="accelerator", state=State.FAIL, found=found, how=HOW, advice=SETUP
    )
