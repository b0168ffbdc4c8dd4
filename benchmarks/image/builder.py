"""Building an image: one list of steps in a temporary folder, renamed into the cache at the end."""

import hashlib
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.image import block, boot, kernel, own_kernel, store, tools, tree
from benchmarks.image.digest import tree_digest
from benchmarks.image.errors import DiskFullError, NotRootError, WrongHostError
from benchmarks.image.model import SCHEMA, Image, Manifest
from benchmarks.image.scratch import interruptible, scratch
from benchmarks.image.sources import Host, Source, read_host, read_sources
from benchmarks.image.store import Progress
from vmdriver import unsupported

NEEDED_BYTES = 800 * 2**20
"""What a build takes at its widest: tree, packages on their way into it, block image, kernel."""

_RECIPE_VERSION = 1
"""Raised whenever a step changes what comes out, so that caches made before are not reused."""


def build(
    cache: Path | None = None,
    *,
    progress: Progress = lambda _: None,
    source: Path | None = None,
    refresh: bool = False,
) -> Image:
    """Return the image this host's package sources make, building it where the cache lacks it.

    Args:
        cache: the cache directory; the XDG cache directory's ``tare`` where None.
        progress: told each step in a few words.
        source: take the tree from this directory instead of making one.
        refresh: build even when the same was built before, for newer package versions.

    Raises:
        BuildError: one of its kinds, each one sentence; the cache is as before.
    """
    host = read_host()
    sources = () if source else read_sources(host)
    recipe = recipe_of(host, sources, source)
    if not (source or refresh):
        cached = _cached(recipe, cache)
        if cached and cached.manifest.boot_key == boot.key(cached.manifest.kernel_version):
            return cached
    reason = unsupported()
    if reason is not None:
        raise WrongHostError(f"an image holds a kernel for VMs as well, and {reason}")
    if os.geteuid() != 0:
        raise NotRootError(
            "building an image needs root (device files and owners); run it with sudo"
        )
    tools.require("mkfs.erofs", "apt-get", "dpkg-deb", "depmod", "setpriv", "unshare")
    if source is None:
        tools.require("mmdebstrap")
    try:
        with interruptible(), store.locked(cache, progress) as folder:
            cached = None if source or refresh else _cached(recipe, cache)
            if cached:
                return _renew_boot(cached, progress)
            return _build(
                folder,
                host=host,
                sources=sources,
                recipe=recipe,
                source=source,
                progress=progress,
            )
    except OSError as error:
        raise tools.explain_os_error("working in the image cache", error) from error


def recipe_of(host: Host, sources: tuple[Source, ...], source: Path | None = None) -> str:
    """SHA-256 over all a build is told, in hex: equal recipes need no second build."""
    own = own_kernel.find()
    asked = (
        _RECIPE_VERSION,
        host,
        sources,
        str(source),
        tree.PACKAGES,
        tree.LEFT_OUT,
        tree.EPOCH,
        os.uname().machine,
        None if own is None else (own.release, own.version),
    )
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()


def _cached(recipe: str, cache: Path | None) -> Image | None:
    return next((i for i in reversed(store.list(cache)) if i.manifest.recipe == recipe), None)


def _build(
    folder: Path,
    *,
    host: Host,
    sources: tuple[Source, ...],
    recipe: str,
    source: Path | None,
    progress: Progress,
) -> Image:
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise DiskFullError(
            f"building an image needs {NEEDED_BYTES >> 20} MiB in {folder}, {free >> 20} MiB are "
            "free; free some or point XDG_CACHE_HOME at a larger disk"
        )
    began, began_wall = time.monotonic(), time.time()
    log = folder.parent / "image-build.log"
    log.write_text("", encoding="utf-8")
    with scratch(folder) as work:
        image, root = work / "image", work / "image" / "tree"
        image.mkdir()
        (work / "kernel").mkdir()
        if source:
            progress(f"copying the tree from {source}")
            tree.copy(source, root, log=log)
        else:
            progress("making the tree with mmdebstrap (about 20 s and 100 MB of downloads)")
            tree.bootstrap(work / "tree", host, sources, log=log)
            tree.clamp_times(work / "tree", newer_than=began_wall)
            (work / "tree").rename(root)
        guest = _kernel(work / "kernel", host, log, progress)
        (work / "kernel").rename(image / "kernel")
        progress("computing the digest")
        digest = tree_digest(root)
        progress("writing the block image")
        block.make(root, image / "image.erofs", digest, log=log)
        manifest = Manifest(
            schema=SCHEMA,
            digest=digest,
            recipe=recipe,
            distribution=host.id,
            suite=host.codename,
            packages=dict(tree.installed(root)),
            kernel_release=guest.release,
            kernel_package=guest.package,
            kernel_version=guest.version,
            boot_key=boot.key(guest.version),
            tree_bytes=tree.measure(root),
            block_bytes=(image / "image.erofs").stat().st_size,
            built_at=datetime.now(UTC),
            build_s=round(time.monotonic() - began, 1),
        )
        made = Image(image, manifest)
        progress("making vmlinux and initramfs")
        boot.make(image, made.kernel, made.modules, made.busybox)
        store.write_manifest(image, manifest)
        final = folder / digest.replace(":", "-")
        if final.exists():  # the same bytes from another recipe, or with an older kernel
            final.rename(work / "replaced")
        image.rename(final)
    log.unlink(missing_ok=True)
    return Image(final, manifest)


def _kernel(folder: Path, host: Host, log: Path, progress: Progress) -> kernel.Kernel:
    own = own_kernel.find()
    if own is not None:
        reason = own_kernel.why_not(own)
        if reason is None:
            progress(f"copying the host's own kernel {own.release}")
            return own_kernel.copy(own, folder, log=log)
        progress(f"leaving the host's own kernel {own.release} out: {reason}")
    progress("downloading and unpacking the guest's kernel")
    return kernel.fetch(folder, host, log=log)


def _renew_boot(image: Image, progress: Progress) -> Image:
    current = boot.key(image.manifest.kernel_version)
    if image.manifest.boot_key == current:
        return image
    progress("making vmlinux and initramfs anew")
    boot.make(image.folder, image.kernel, image.modules, image.busybox)
    manifest = msgspec.structs.replace(image.manifest, boot_key=current)
    store.write_manifest(image.folder, manifest)
    return Image(image.folder, manifest)
