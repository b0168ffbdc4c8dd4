"""Makes an image of what others made: a directory, an archive of one, or an OCI image.

Nothing is fetched and no program of a distribution is called, so it works on any host and without a
network.
"""

import re
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.image import (
    inside,
    kernels,
    own_kernel,
    store,
    tools,
    tree,
)
from benchmarks.image.builder import check_host, new_log, place
from benchmarks.image.digest import tree_digest
from benchmarks.image.errors import BadArchiveError, MissingToolError
from benchmarks.image.kernel import Kernel
from benchmarks.image.layout import IMAGE_NOTE, KERNEL_NOTE, Layers
from benchmarks.image.model import SCHEMA, Image, KernelPart, Manifest
from benchmarks.image.model import Kernel as KernelManifest
from benchmarks.image.own_kernel import HostKernel
from benchmarks.image.rootfs import Workplace, check_root_file_system, fill, lay_down
from benchmarks.image.scratch import interruptible, scratch
from benchmarks.image.sources import parse_release
from benchmarks.image.store import Progress

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")


def import_image(
    source: str,
    *,
    name: str | None = None,
    kernel: HostKernel | None = None,
    cache: Path | None = None,
    progress: Progress = lambda _: None,
) -> Image:
    """Take an image in and return it.

    Args:
        source: a directory with a root file system, an archive of one, an OCI image layout or an
            archive of one; or what skopeo calls an image, ``docker://…``.
        name: what to call it; by default as the layout or the file is called.
        kernel: what its guests boot, see `own_kernel.given`; by default the kernel that comes with
            it, else the host's own, else that of another image in the cache.
        cache: the cache directory; the XDG cache directory's ``tare`` where None.
        progress: told each step.

    Raises:
        BadArchiveError: it is none of these, damaged, or for another architecture.
        BuildError: it cannot be laid down here.
    """
    check_host()
    tools.require("setpriv", "unshare", "cp")
    if name is not None and not _NAME.fullmatch(name):
        raise BadArchiveError(f"{name!r} is no name for an image; use letters, digits and ._:/@-")
    try:
        with interruptible(), store.locked(cache, progress) as folder, scratch(folder) as work:
            at = Workplace(folder, work, new_log(folder), progress)
            image = _import(at, source, name, kernel, cache)
            at.log.unlink(missing_ok=True)
            return image
    except OSError as error:
        raise tools.explain_os_error(f"importing {source}", error) from error


def _import(
    at: Workplace, source: str, name: str | None, kernel: HostKernel | None, cache: Path | None
) -> Image:
    began, began_wall = time.monotonic(), time.time()
    layers, packed = fill(at, source)
    check_root_file_system(at.root, source)
    tree.clamp_times(at.root, newer_than=began_wall)
    at.progress("computing the digest")
    digest = tree_digest(at.root)
    said = _own_manifest(layers)
    if said is not None and said.digest != digest:
        raise BadArchiveError(
            f"{source} does not hold the image {said.digest[:19]} that it names; export it again"
        )
    made, why_none = _kernel(at, kernel, packed, cache)
    release = parse_release(inside.read(at.root, "etc/os-release"))
    manifest = Manifest(
        schema=SCHEMA,
        digest=digest,
        recipe=said.recipe if said else "",
        distribution=release.id,
        suite=release.codename,
        packages=dict(tree.installed(at.root)),
        tree_bytes=tree.measure(at.root),
        block_bytes=None,
        built_at=datetime.now(UTC),
        build_s=round(time.monotonic() - began, 1),
        origin=source,
        no_guest=why_none,
    )
    image = place(at.folder, at.work, manifest, made, log=at.log, progress=at.progress)
    return store.rename(image, name or (layers and layers.name) or _stem(source), cache)


def _own_manifest(layers: Layers | None) -> Manifest | None:
    """What tare said of an image that it exported; None for another's."""
    note = layers.notes.get(IMAGE_NOTE) if layers else None
    if note is None:
        return None
    try:
        return msgspec.json.decode(note, type=Manifest)
    except msgspec.DecodeError as error:
        raise BadArchiveError(f"the export names an image that cannot be read: {error}") from error


def _kernel(
    at: Workplace, given: HostKernel | None, packed: Layers | None, cache: Path | None
) -> tuple[Path | None, str]:
    """Make the image's kernel; its folder, or why there is none."""
    try:
        if given is not None:
            return _of_host(at, given, pinned=True), ""
        if packed is not None:
            return _of_export(at, packed), ""
        own = own_kernel.find()
        if own is not None and own_kernel.why_not(own) is None:
            return _of_host(at, own, pinned=False), ""
        known = [image.part for image in store.list(cache) if image.part is not None]
        if known:
            return _of_image(at, known[-1]), ""
    except MissingToolError as error:
        return None, str(error)
    return None, "this host has none to give; import it again with --kernel and --modules"


def _of_host(at: Workplace, own: HostKernel, *, pinned: bool) -> Path:
    at.progress(f"copying the kernel {own.release}")
    return kernels.from_host(own, at.root, at.work, log=at.log, progress=at.progress, pinned=pinned)


def _of_export(at: Workplace, packed: Layers) -> Path:
    try:
        said = msgspec.json.decode(packed.notes.get(KERNEL_NOTE, ""), type=KernelManifest)
    except msgspec.DecodeError as error:
        raise BadArchiveError(f"the export names a kernel that cannot be read: {error}") from error
    folder = at.work / "kernel"
    folder.mkdir()
    lay_down(at, folder, f"the kernel {said.release}", packed.files, lend=False)
    made = _finish(at, said)
    if said.digest not in {None, f"sha256:{made.name}"}:
        raise BadArchiveError(f"the kernel {said.release} is not the one that was exported")
    return made


def _of_image(at: Workplace, known: KernelPart) -> Path:
    at.progress(f"taking the kernel {known.manifest.release} of another image")
    copied = ["cp", "--archive", "--reflink=auto", str(known.folder / "kernel"), str(at.work)]
    tools.run("copying the kernel", copied, log=at.log)
    return _finish(at, known.manifest)


def _finish(at: Workplace, said: KernelManifest) -> Path:
    found = Kernel(package=said.package, version=said.version, release=said.release)
    return kernels.finish(at.work, at.root, found, pinned=True, progress=at.progress)


def _stem(source: str) -> str:
    """What to call an image by its file: ``debian`` of ``…/debian.tar.gz``."""
    stem = re.sub(r"\.(tar|oci|tgz)(\.\w+)?$", "", Path(source).resolve().name)
    return stem if _NAME.fullmatch(stem) else ""
