"""What each ``vm:…`` is: a profile of the driver, and what it boots from."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import vmdriver
from benchmarks.errors import UnsuitableHostError
from benchmarks.image import BuildError, distribution
from vmdriver.harness import ON_DEMAND, Modules, of, of_machine

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.image import Image
    from benchmarks.image.store import Progress

_BOOT = ("spawned", "ready", "kernel", "init", "main")


@dataclass(frozen=True)
class Variant:
    """One kind of VM.

    Attributes:
        profile: How the VM is made.
        share: The file system that shows the image's directory; ``""`` for a block image.
        boundaries: The start boundaries it passes.
        deadlines: When its start is given up.
        sentence: What a reader must know of it; ``""`` for nothing.
    """

    profile: vmdriver.Profile
    share: str = ""
    boundaries: tuple[str, ...] = _BOOT
    deadlines: vmdriver.Deadlines = vmdriver.Deadlines()  # noqa: RUF009  # frozen
    sentence: str = ""


_TUNED = vmdriver.PROFILES["tuned"]


def _shared(kind: str) -> Variant:
    return Variant(replace(_TUNED, name=kind), share=kind)


VARIANTS = {
    "tuned": Variant(_TUNED),
    "microvm": Variant(vmdriver.MICRO),
    "stock": Variant(
        vmdriver.PROFILES["stock"],
        # systemd starts some hundred processes, which an emulated CPU takes its time for
        deadlines=vmdriver.Deadlines(init_s=180, main_s=300, agent_s=60, gone_s=60),
        sentence="It boots a whole distribution with systemd: the image's packages and Debian's "
        "base system. Its workload starts as a service that waits for the network's.",
    ),
    "uefi": Variant(
        vmdriver.STOCK_UEFI,
        # an emulated CPU takes its time for this firmware, too
        deadlines=vmdriver.Deadlines(kernel_s=180, init_s=180, main_s=300, agent_s=60, gone_s=60),
        sentence="It is vm:stock, booted by UEFI (OVMF without secure boot) in place of SeaBIOS. "
        "Its kernel boundary is the first word of the kernel's EFI stub, which it says once it has "
        "decompressed itself.",
    ),
    "lean": Variant(
        replace(_TUNED, name="lean", balloon=True, free_page_reporting=True),
        sentence="Its guest gives memory that it frees back to the host (free page reporting).",
    ),
    "virtiofs": _shared("virtiofs"),
    "9p": _shared("9p"),
    "restored": Variant(
        replace(_TUNED, name="restored"),
        boundaries=("spawned", "ready", "main"),
        sentence="It resumes one saved guest again and again: the same boot by its boot id, the "
        "same random state until the guest stirs it, and a file that the host has in its page "
        "cache.",
    ),
}
"""Variant by the part of its name behind the colon."""


def find(kind: str) -> Variant:
    """Return the variant.

    Raises:
        UnsuitableHostError: It is of a machine that this host's architecture does not have.
    """
    variant = VARIANTS[kind]
    own = of(platform.machine())
    if of_machine(variant.profile.machine) != own:
        raise UnsuitableHostError(
            f"the sandbox vm:{kind} is a PC, machine {variant.profile.machine}, which "
            f"{own.name} does not have; use vm or vm:stock",
        )
    return variant


@dataclass(frozen=True)
class Files:
    """What a VM boots from, and how the run folder describes it."""

    kernel: Path
    initrd: Path
    disk: Path
    disk_type: str
    details: dict[str, object]


def files(variant: Variant, image: Image, progress: Progress) -> Files:
    """Return what the variant boots from; a distribution is built where it is not there.

    Raises:
        UnsuitableHostError: It cannot be had, with the reason.
    """
    kernel = image.vmlinux if variant.profile.kernel == "vmlinux" else image.kernel
    if variant.profile.init == "distribution":
        try:
            whole = distribution.build(image, progress=progress)
        except BuildError as error:
            raise UnsuitableHostError(str(error)) from error
        more = sorted(whole.contents.packages.keys() - image.packages.keys())
        details: dict[str, object] = {"digest": whole.contents.digest, "packages_besides": more}
        return Files(kernel, whole.initrd, whole.block, "erofs", details)
    if not variant.share:
        return Files(kernel, image.initramfs, image.block, "erofs", {"digest": image.digest})
    known = Modules(image.modules)
    missing = [name for name in ON_DEMAND[variant.share] if name not in known]
    if missing:
        raise UnsuitableHostError(
            f"the guest's kernel {image.kernel_release} has no module {missing[0]}, so it cannot "
            f"mount the image by {variant.share}",
        )
    return Files(kernel, image.initramfs, image.root, variant.share, {"digest": image.digest})
