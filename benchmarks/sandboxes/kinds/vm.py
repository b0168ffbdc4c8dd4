"""The ``vm`` sandboxes: a QEMU guest through libvirt that boots the same image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.sandboxes.registry import Kind, SandboxName, register
from benchmarks.sandboxes.vm.restored import RestoredSandbox
from benchmarks.sandboxes.vm.sandbox import VmSandbox
from benchmarks.sandboxes.vm.variants import VARIANTS

if TYPE_CHECKING:
    from benchmarks.sandboxes.base import Setting


def _open(name: str, setting: Setting) -> VmSandbox:
    restored = SandboxName.parse(name).variant == "restored"
    return RestoredSandbox(name, setting) if restored else VmSandbox(name, setting)


register(
    Kind(
        name="vm",
        title="a QEMU guest that boots the same image, through libvirt",
        names=("vm", *(f"vm:{variant}" for variant in VARIANTS)),
        open=_open,
        limits="number of vCPUs, bound to the same CPUs, size of guest RAM, CFS quota and pids "
        "limit of QEMU's own cgroup",
        network="a virtio card whose tap device is a port of the testbed's bridge",
        isolation="machine",
        start_and_stop_s=3.5,
        memory_step_bytes=1 << 20,  # guest RAM comes in whole MiB
        needs=("root", "qemu", "libvirt", "accelerator", "image"),
        suite_rounds=3,
    )
)
