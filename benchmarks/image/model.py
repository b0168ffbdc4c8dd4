"""One built image: what its manifest says and where its parts lie.

An image is a folder of the cache, named after the digest of its tree::

    sha256-<64 hex>/
        manifest.json   written last; a folder without one is no image
        tree/           the root file system. READ ONLY by contract: sandboxes stack an overlay on
                        it or read the block image made of it; `store.verify` finds a breach
        image.erofs     the very same tree as a read-only block image for the guest
        kernel/         the distribution's kernel package, unpacked (boot/, lib/modules/)
        vmlinux         the kernel, uncompressed (for PVH boot)
        initramfs       loads the block driver and mounts the root
        distribution/   only once `vm:stock` was asked for: see `benchmarks.image.distribution`
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

SCHEMA = 1
"""Version of `manifest.json`; an image of another version counts as absent and is built anew."""

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
    kernel_release: str
    kernel_package: str
    kernel_version: str
    boot_key: str
    """SHA-256 over what vmlinux and initramfs were made with; they are remade when it changes."""
    tree_bytes: int
    """Sum of the sizes of the tree's regular files."""
    block_bytes: int
    built_at: datetime
    build_s: float


@dataclass(frozen=True, slots=True)
class Image:
    """A complete image in the cache. Its files must not be written to."""

    folder: Path
    manifest: Manifest

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
    def kernel_release(self) -> str:
        """What `uname -r` says in the guest."""
        return self.manifest.kernel_release

    @property
    def kernel(self) -> Path:
        """The kernel as packaged (bzImage)."""
        return self.folder / "kernel" / "boot" / f"vmlinuz-{self.kernel_release}"

    @property
    def modules(self) -> Path:
        """The kernel's modules, with `modules.dep`."""
        return modules_folder(self.folder / "kernel", self.kernel_release)

    @property
    def vmlinux(self) -> Path:
        """The kernel, uncompressed."""
        return self.folder / "vmlinux"

    @property
    def initramfs(self) -> Path:
        """The guest's first root."""
        return self.folder / "initramfs"

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
        return self.manifest.tree_bytes + self.manifest.block_bytes

    @property
    def built_at(self) -> datetime:
        """When the build ended, UTC."""
        return self.manifest.built_at.astimezone(UTC)


def modules_folder(kernel: Path, release: str) -> Path:
    """Where an unpacked kernel package keeps its modules, before and after the /usr merge."""
    merged = kernel / "usr" / "lib" / "modules" / release
    return merged if merged.is_dir() else kernel / "lib" / "modules" / release
