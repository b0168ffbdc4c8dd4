"""Variants of the VM sandbox (``vm:…``): their profiles, and the files they boot from."""

import platform
from dataclasses import dataclass, field, replace
from pathlib import Path

import vmdriver
from benchmarks.errors import UnsuitableHostError
from benchmarks.image import BuildError, Image, distribution
from benchmarks.image.store import Progress
from vmdriver.harness import ON_DEMAND, Modules, of, of_machine

RESTORED = "restored"
"""The variant that resumes a saved guest, which has a file of its own."""

_BOOT = ("spawned", "ready", "kernel", "init", "main")


@dataclass(frozen=True)
class Variant:
    """One variant of the VM sandbox.

    Attributes:
        profile: How the VM is made.
        share: The file system that shows the image's directory; ``""`` for a block image.
        boundaries: The start boundaries it passes.
        deadlines: When its start is given up.
        sentence: A caveat for the reader; ``""`` for none.
    """

    profile: vmdriver.Profile
    share: str = ""
    boundaries: tuple[str, ...] = _BOOT
    deadlines: vmdriver.Deadlines = field(default_factory=vmdriver.Deadlines)
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
    RESTORED: Variant(
        replace(_TUNED, name=RESTORED),
        boundaries=("spawned", "ready", "main"),
        sentence="It resumes one saved guest again and again: the same boot by its boot id, the "
        "same random state until the guest stirs it, and a file that the host has in its page "
        "cache.",
    ),
}
"""Variant by its name after the colon."""


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
    """The files that a VM boots from, and their description in the run folder."""

    kernel: Path
    initrd: Path
    disk: Path
    disk_type: str
    details: dict[str, object]


def files(variant: Variant, image: Image, progress: Progress) -> Files:
    """Return the files that the variant boots from; a missing distribution is built.

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
