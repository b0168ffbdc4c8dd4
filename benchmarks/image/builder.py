"""Building an image: one list of steps in a temporary folder, renamed into the cache at the end."""

import hashlib
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.image import block, boot, kernels, store, tools, tree
from benchmarks.image.digest import tree_digest
from benchmarks.image.errors import DiskFullError, NotRootError, WrongHostError
from benchmarks.image.model import OWN, SCHEMA, Image, Manifest
from benchmarks.image.scratch import interruptible, scratch
from benchmarks.image.sources import Host, Source, read_host, read_sources
from benchmarks.image.store import Progress
from vmdriver import unsupported

NEEDED_BYTES = 800 * 2**20
"""What a build takes at its widest: tree, packages on their way into it, block image, kernel."""

_RECIPE_VERSION = 1
_LOG = "image-build.log"
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
    asked = _asked(host, sources, source)
    if not (source or refresh):
        cached = _cached(asked, cache)
        if cached and not kernels.stale(cached):
            return cached
    check_host()
    try:
        with interruptible(), store.locked(cache, progress) as folder:
            cached = None if source or refresh else _cached(asked, cache)
            if cached:
                return _renewed(cached, folder, progress)
            return _build(
                folder,
                host=host,
                sources=sources,
                recipe=_hashed(asked),
                source=source,
                progress=progress,
            )
    except OSError as error:
        raise tools.explain_os_error("working in the image cache", error) from error


def get(ref: str, cache: Path | None = None, *, progress: Progress = lambda _: None) -> Image:
    """Return the image of that name or digest; its kernel follows the host's own.

    Raises:
        StoreError: there is none.
        BuildError: its kernel is to be renewed and cannot be.
    """
    image = store.find(ref, cache)
    if not kernels.stale(image) or os.geteuid() != 0:
        return image
    try:
        with interruptible(), store.locked(cache, progress) as folder:
            return _renewed(store.find(ref, cache), folder, progress)
    except OSError as error:
        raise tools.explain_os_error("working in the image cache", error) from error


def recorded(
    digest: str,
    kernel: str | None,
    cache: Path | None = None,
    *,
    progress: Progress = lambda _: None,
) -> Image | None:
    """Return the very image that a run names, with the kernel it had; None where it is gone.

    Raises:
        BuildError: what its guests boot with is to be made anew and cannot be.
    """
    image = store.recorded(digest, kernel, cache)
    if image is None or image.part is None or os.geteuid() != 0:
        return image
    if image.part.manifest.boot_key == boot.key(image.part.manifest.version):
        return image
    try:
        with interruptible(), store.locked(cache, progress):
            return kernels.boot_renewed(image, progress)
    except OSError as error:
        raise tools.explain_os_error("working in the image cache", error) from error


def check_host() -> None:
    """Check that images can be made here, by this caller.

    Raises:
        WrongHostError: VMs of this architecture are not driven.
        NotRootError: the caller is not root.
    """
    reason = unsupported()
    if reason is not None:
        raise WrongHostError(f"an image holds a kernel for VMs as well, and {reason}")
    if os.geteuid() != 0:
        raise NotRootError("making an image needs root (device files and owners); run it with sudo")


def _renewed(image: Image, folder: Path, progress: Progress) -> Image:
    with scratch(folder) as work:
        return kernels.renew(image, work, log=new_log(folder), progress=progress)


def new_log(folder: Path) -> Path:
    """Begin the log of a build, which stays where the build fails."""
    log = folder.parent / _LOG
    log.write_text("", encoding="utf-8")
    return log


def recipe_of(host: Host, sources: tuple[Source, ...], source: Path | None = None) -> str:
    """SHA-256 over all that a tree is made of, in hex: equal recipes need no second build."""
    return _hashed(_asked(host, sources, source))


def _asked(host: Host, sources: tuple[Source, ...], source: Path | None) -> tuple[object, ...]:
    return (
        _RECIPE_VERSION,
        host,
        sources,
        str(source),
        tree.PACKAGES,
        tree.LEFT_OUT,
        tree.EPOCH,
        os.uname().machine,
    )


def _hashed(asked: tuple[object, ...]) -> str:
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()


def _cached(asked: tuple[object, ...], cache: Path | None) -> Image | None:
    """Find the newest image of that recipe; in that of schema 1 the host's own kernel had a say.

    An image of schema 1 keeps its recipe when it is exported and imported as a later one.
    """
    for image in reversed(store.list(cache)):
        kernel = image.part.manifest if image.part is not None else None
        own = (kernel.release, kernel.version) if kernel and kernel.package == OWN else None
        if image.manifest.recipe in {_hashed(asked), _hashed((*asked, own))}:
            return image
    return None


def _build(
    folder: Path,
    *,
    host: Host,
    sources: tuple[Source, ...],
    recipe: str,
    source: Path | None,
    progress: Progress,
) -> Image:
    tools.require("mkfs.erofs", "setpriv", "unshare")
    if source is None:
        tools.require("mmdebstrap", "apt-get", "dpkg-deb", "depmod")
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise DiskFullError(
            f"building an image needs {NEEDED_BYTES >> 20} MiB in {folder}, {free >> 20} MiB are "
            "free; free some or point XDG_CACHE_HOME at a larger disk"
        )
    began, began_wall = time.monotonic(), time.time()
    log = new_log(folder)
    with scratch(folder) as work:
        root = work / "tree"
        if source:
            progress(f"copying the tree from {source}")
            tree.copy(source, root, log=log)
        else:
            progress("making the tree with mmdebstrap (about 20 s and 100 MB of downloads)")
            tree.bootstrap(root, host, sources, log=log)
            tree.clamp_times(root, newer_than=began_wall)
        made = kernels.choose(root, work, host, log=log, progress=progress)
        progress("computing the digest")
        manifest = Manifest(
            schema=SCHEMA,
            digest=tree_digest(root),
            recipe=recipe,
            distribution=host.id,
            suite=host.codename,
            packages=dict(tree.installed(root)),
            tree_bytes=tree.measure(root),
            block_bytes=None,
            built_at=datetime.now(UTC),
            build_s=round(time.monotonic() - began, 1),
        )
        image = place(folder, work, manifest, made, log=log, progress=progress)
    log.unlink(missing_ok=True)
    return image


def place(
    folder: Path,
    work: Path,
    manifest: Manifest,
    kernel: Path | None,
    *,
    log: Path,
    progress: Progress,
) -> Image:
    """Put the tree at `work`/tree into the cache as the image that `manifest` describes.

    Where the cache has the very same tree, made by another recipe or on another day, that one
    stays, with its kernels, since a sandbox may stand on it.

    Args:
        folder: of the cache's images.
        work: where the tree is.
        manifest: what the image is; its block image is made here.
        kernel: its kernel's folder, as `kernels.choose` made it.
        log: see `tools.run`.
        progress: told each step.
    """
    final = folder / manifest.digest.replace(":", "-")
    there = store.load(final)
    if there is not None:
        changed = store.replace_manifest(
            there,
            recipe=manifest.recipe or there.manifest.recipe,
            origin=manifest.origin and there.manifest.origin,
            built_at=manifest.built_at,
        )
        if changed.manifest.block_bytes is None:
            size = _block(changed.root, changed.block, manifest.digest, log, progress)
            changed = store.replace_manifest(changed, block_bytes=size)
        return changed if kernel is None else store.use_kernel(changed, kernel)
    image = work / "image"
    image.mkdir()
    (work / "tree").rename(image / "tree")
    size = _block(image / "tree", image / "image.erofs", manifest.digest, log, progress)
    manifest = msgspec.structs.replace(manifest, block_bytes=size)
    store.write_manifest(image, manifest)
    if kernel is not None:
        manifest = store.use_kernel(Image(image, manifest), kernel).manifest
    if final.exists():  # not readable as an image
        final.rename(work / "replaced")
    image.rename(final)
    return store.opened(final, manifest)


def _block(root: Path, out: Path, digest: str, log: Path, progress: Progress) -> int | None:
    """Write the block image; its size, or None where there is no program to write it."""
    if not shutil.which("mkfs.erofs"):
        progress("leaving out the block image, and so VMs: mkfs.erofs not found (erofs-utils)")
        return None
    progress("writing the block image")
    fresh = out.with_name(f".{out.name}")
    fresh.unlink(missing_ok=True)
    block.make(root, fresh, digest, log=log)
    fresh.rename(out)
    return out.stat().st_size
