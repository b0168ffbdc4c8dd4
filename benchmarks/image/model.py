"""One built image: what its manifest says and where its parts lie.

An image is a folder of the cache, named after the digest of its tree::

    sha256-<64 hex>/
        manifest.json   written last; a folder without one is no image
        tree/           the root file system. READ ONLY by contract: sandboxes stack an overlay on
                        it or read the block image made of it; `store.verify` finds a breach
        image.erofs     the very same tree as a read-only block image for the guest
        kernels/        the kernel is a part of its own, renewed alone: `kernels/<64 hex>/` each
            kernel.json     what it is; the manifest names the one in use
            kernel/         the kernel and its modules as a package has them (boot/, lib/modules/)
            vmlinux         the kernel, uncompressed (for PVH boot)
            initramfs       loads the block driver and mounts the root
        distribution/   only once `vm:stock` was asked for: see `benchmarks.image.distribution`

An image of schema 1 has the files of its kernel in its own folder, and none but that.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from benchmarks.image.errors import NoGuestError

SCHEMA = 2
"""Version of `manifest.json`; 1 is read as well, another counts as absent."""

OWN = "the host's own"
"""Stands for the package of a kernel that is the host's own."""

_Digest = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}$")]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What was built, from what, and how large it came out; sizes in bytes, time in UTC."""

    schema: int
    digest: _Digest
    recipe: str
    """SHA-256 over everything that was asked for: packages, suite, mirrors, build steps."""
    distribution: str
    suite: str
    packages: dict[str, str]
    """Every package in the tree and its version, not only those that were asked for."""
    tree_bytes: int
    """Sum of the sizes of the tree's regular files."""
    block_bytes: int | None
    """None where there is no block image, for want of mkfs.erofs."""
    built_at: datetime
    build_s: float
    name: str = ""
    """What the user calls it."""
    origin: str = ""
    """Where an imported tree came from; empty for one that was built."""
    kernel: str = ""
    """Folder of the kernel in use, relative to the image's; empty where it has none."""
    no_guest: str = ""
    """Why it has no kernel, in words."""


class Kernel(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel and what was made of it for the guest; `kernel.json`.

    Attributes:
        digest: content digest of the kernel and its modules, as that of a tree; None
            for one of schema 1, for which none was computed.
        release: what ``uname -r`` says in the guest.
        package: the package it comes from, or what stands for one.
        version: the package's version, or what tells builds of one release apart.
        host: release and version of the host's own kernel when this one was chosen; empty where
            the host had none to give.
        pinned: it was named or imported by the user, and never gives way to the host's own.
        boot_key: SHA-256 over what vmlinux and initramfs were made with; they are remade when it
            changes.
    """

    digest: _Digest | None
    release: str
    package: str
    version: str
    host: str = ""
    pinned: bool = False
    boot_key: str = ""


@dataclass(frozen=True, slots=True)
class KernelPart:
    """An image's kernel in the cache. Its files must not be written to."""

    folder: Path
    manifest: Kernel

    @property
    def image(self) -> Path:
        """The kernel as packaged (bzImage)."""
        return self.folder / "kernel" / "boot" / f"vmlinuz-{self.manifest.release}"

    @property
    def modules(self) -> Path:
        """The kernel's modules, with `modules.dep`."""
        return modules_folder(self.folder / "kernel", self.manifest.release)

    @property
    def vmlinux(self) -> Path:
        """The kernel, uncompressed."""
        return self.folder / "vmlinux"

    @property
    def initramfs(self) -> Path:
        """The guest's first root."""
        return self.folder / "initramfs"


@dataclass(frozen=True, slots=True)
class Image:
    """A complete image in the cache. Its files must not be written to."""

    folder: Path
    manifest: Manifest
    part: KernelPart | None = None

    @property
    def digest(self) -> str:
        """Content digest of the tree, ``sha256:…``."""
        return self.manifest.digest

    @property
    def root(self) -> Path:
        """The tree: lower layer of the container, source of the native chroot."""
        return self.folder / "tree"

    @property
    def block(self) -> Path:
        """The tree as an erofs block image."""
        return self.folder / "image.erofs"

    @property
    def boot(self) -> KernelPart:
        """The kernel and what the guest boots with.

        Raises:
            NoGuestError: the image has none.
        """
        if self.part is None:
            raise NoGuestError(f"the image has no kernel: {self.manifest.no_guest}")
        return self.part

    def check_guest(self) -> None:
        """Check that a guest can be started from it.

        Raises:
            NoGuestError: it lacks a kernel or the block image, with the reason.
        """
        assert self.boot
        if self.manifest.block_bytes is None:
            raise NoGuestError(
                "the image has no block image, since mkfs.erofs was not found; install "
                "erofs-utils and import it again"
            )

    @property
    def kernel_release(self) -> str:
        """What `uname -r` says in the guest."""
        return self.boot.manifest.release

    @property
    def kernel(self) -> Path:
        """The kernel as packaged (bzImage)."""
        return self.boot.image

    @property
    def modules(self) -> Path:
        """The kernel's modules, with `modules.dep`."""
        return self.boot.modules

    @property
    def vmlinux(self) -> Path:
        """The kernel, uncompressed."""
        return self.boot.vmlinux

    @property
    def initramfs(self) -> Path:
        """The guest's first root."""
        return self.boot.initramfs

    @property
    def busybox(self) -> Path:
        """The static busybox inside the tree."""
        return self.root / "usr" / "bin" / "busybox"

    @property
    def packages(self) -> dict[str, str]:
        """Package versions inside the tree."""
        return self.manifest.packages

    @property
    def size_bytes(self) -> int:
        """What the image's tree and block image weigh together."""
        return self.manifest.tree_bytes + (self.manifest.block_bytes or 0)

    @property
    def built_at(self) -> datetime:
        """When the build ended, UTC."""
        return self.manifest.built_at.astimezone(UTC)


def modules_folder(kernel: Path, release: str) -> Path:
    """Where an unpacked kernel package keeps its modules, before and after the /usr merge."""
    merged = kernel / "usr" / "lib" / "modules" / release
    return merged if merged.is_dir() else kernel / "lib" / "modules" / release
