"""The image as a whole distribution: what ``vm:stock`` boots. Made when it is first asked for.

The same packages and what a distribution installs beside them: its base system (Debian's priority
*important*), systemd as init, the kernel's modules, and the initrd that its own initramfs-tools
make of them. It lies in the image's folder, with which it goes, and is made anew when what it was
made from changes.
"""

import hashlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.image import block, store, tools, tree
from benchmarks.image.builder import NEEDED_BYTES
from benchmarks.image.digest import tree_digest
from benchmarks.image.errors import DiskFullError, NotRootError, WrongHostError
from benchmarks.image.model import Image
from benchmarks.image.scratch import interruptible, scratch
from benchmarks.image.sources import Host, Source, read_host, read_sources
from benchmarks.image.store import Progress
from vmdriver.harness import distribution as guest

VARIANT = "important"
"""Debian's base system, as its installer makes it (mmdebstrap(1), Debian Policy 2.5)."""

SERVICES_OFF = ("redis-server",)
"""Services that the workloads' own packages switch on; no base system runs them."""

_FOLDER = "distribution"
_MANIFEST = "manifest.json"
_SCHEMA = 1


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What was built; sizes in bytes.

    Attributes:
        key: SHA-256 over what it was made from.
        tree_key: the same without the kernel; empty in what was made before it was told.
        digest: content digest of the tree, as `Image.digest`.
        packages: package versions in the tree.
        initrd_bytes: size of the initrd.
        block_bytes: size of the block image.
        build_s: seconds that the build took.
    """

    key: str
    tree_key: str = ""
    digest: str
    packages: dict[str, str]
    initrd_bytes: int
    block_bytes: int
    build_s: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution in the cache. Its files must not be written to."""

    folder: Path
    contents: Contents

    @property
    def initrd(self) -> Path:
        """The distribution's own initrd."""
        return self.folder / "initrd"

    @property
    def block(self) -> Path:
        """The tree as an erofs block image."""
        return self.folder / "image.erofs"


def build(image: Image, *, progress: Progress = lambda _: None) -> Distribution:
    """Return the distribution that belongs to ``image``, building it where it is not there.

    Takes half a minute to one and a half, and 100 MB of downloads.

    Raises:
        BuildError: one of its kinds, each one sentence; the cache is as before.
    """
    if image.manifest.origin:
        raise WrongHostError(
            "a whole distribution is made beside an image of this host's own package sources; this "
            f"one was imported from {image.manifest.origin}"
        )
    host = read_host()
    sources = read_sources(host)
    key = _key(image, host, sources)
    found = _load(image, key)
    if found is not None:
        return found
    if os.geteuid() != 0:
        raise NotRootError("building a distribution needs root; run it with sudo")
    tools.require("mkfs.erofs", "chroot", "cp")
    try:
        with interruptible(), store.locked(image.folder.parent.parent, progress) as folder:
            found = _load(image, key)
            if found is None:
                _check_space(folder)
                found = _build(folder, image, (host, sources), progress)
            return found
    except OSError as error:
        raise tools.explain_os_error("working in the image cache", error) from error


def _key(image: Image, host: Host, sources: tuple[Source, ...], *, kernel: bool = True) -> str:
    asked = (
        _SCHEMA,
        host,
        sources,
        VARIANT,
        SERVICES_OFF,
        (*tree.PACKAGES, *guest.PACKAGES),
        tree.LEFT_OUT,
        image.boot.manifest.version if kernel else None,
        guest.key(),
    )
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()


def _load(image: Image, key: str, tree_key: str = "") -> Distribution | None:
    """Read the one that is there; None where it was made of something else."""
    folder = image.folder / _FOLDER
    try:
        contents = msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=Contents)
    except (OSError, msgspec.DecodeError):
        return None
    fits = contents.key == key or (tree_key and contents.tree_key == tree_key)
    return Distribution(folder, contents) if fits else None


def _check_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise DiskFullError(
            f"building a distribution needs {NEEDED_BYTES >> 20} MiB in {folder}, {free >> 20} MiB "
            "are free; free some or point XDG_CACHE_HOME at a larger disk"
        )


def _build(
    folder: Path, image: Image, origin: tuple[Host, tuple[Source, ...]], progress: Progress
) -> Distribution:
    began = time.monotonic()
    log = folder.parent / "image-build.log"
    log.write_text("", encoding="utf-8")
    key, tree_key = _key(image, *origin), _key(image, *origin, kernel=False)
    with scratch(folder) as work:
        made, root = work / "made", work / "tree"
        made.mkdir()
        before = _load(image, key, tree_key)
        if before is not None and shutil.which("fsck.erofs"):
            progress("giving the whole distribution its new kernel")
            _unpack(before, root, log)
        else:
            progress("making a whole distribution with mmdebstrap (about a minute)")
            _bootstrap(root, image, origin, log)
        progress("making its initrd with its own initramfs-tools")
        _initrd(root, image, log)
        (root / "boot" / "initrd").rename(made / "initrd")
        progress("writing its block image")
        digest = tree_digest(root)
        block.make(root, made / "image.erofs", digest, log=log)
        contents = Contents(
            key=key,
            tree_key=tree_key,
            digest=digest,
            packages=dict(tree.installed(root)),
            initrd_bytes=(made / "initrd").stat().st_size,
            block_bytes=(made / "image.erofs").stat().st_size,
            build_s=round(time.monotonic() - began, 1),
        )
        (made / _MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(contents)) + b"\n")
        final = image.folder / _FOLDER
        if final.exists():
            final.rename(work / "replaced")
        made.rename(final)
    log.unlink(missing_ok=True)
    return Distribution(final, contents)


def _bootstrap(
    root: Path, image: Image, origin: tuple[Host, tuple[Source, ...]], log: Path
) -> None:
    """Make the tree, but for its kernel."""
    tools.require("mmdebstrap", "apt-get")
    tree.bootstrap(root, *origin, log=log, variant=VARIANT, more=guest.PACKAGES)
    for service in SERVICES_OFF:
        for link in root.glob(f"etc/systemd/system/*.wants/{service}.service"):
            link.unlink()
    guest.prepare(root, image.digest.removeprefix("sha256:")[:32])


def _unpack(before: Distribution, root: Path, log: Path) -> None:
    """Take the tree out of the block image, and the kernel before out of the tree."""
    command = ["fsck.erofs", f"--extract={root}", str(before.block)]
    tools.run("unpacking the distribution", command, log=log)
    for kernel in (root / "usr" / "lib" / "modules").iterdir():
        shutil.rmtree(kernel)
    for config in (root / "boot").glob("config-*"):
        config.unlink()


def _initrd(root: Path, image: Image, log: Path) -> None:
    """Gives the tree the guest's kernel's modules and lets it make its initrd of them."""
    release = image.kernel_release
    modules = root / "usr" / "lib" / "modules" / release
    modules.parent.mkdir(parents=True, exist_ok=True)
    copy = ["cp", "--archive", "--reflink=auto", str(image.modules), str(modules)]
    tools.run("copying the kernel's modules", copy, log=log)
    # initramfs-tools read there which compression this kernel knows
    config = image.kernel.with_name(f"config-{release}")
    if config.is_file():
        shutil.copy(config, root / "boot" / config.name)
    command = ["chroot", str(root), "mkinitramfs", "-o", "/boot/initrd", release]
    tools.run("making the distribution's initrd", command, log=log)
