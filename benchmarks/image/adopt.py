"""Makes an image of what others made: a directory, an archive of one, or an OCI image.

Nothing is fetched and no program of a distribution is called, so it works on any host and without a
network. What the layers hold is laid down by `benchmarks.image.unpack`, shut in.
"""

import re
import shutil
import sys
import tarfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.image import (
    busybox,
    inside,
    kernels,
    layout,
    own_kernel,
    store,
    tools,
    tree,
    unpack,
)
from benchmarks.image.builder import check_host, new_log, place
from benchmarks.image.digest import tree_digest
from benchmarks.image.errors import BadArchiveError, MissingToolError
from benchmarks.image.kernel import Kernel
from benchmarks.image.layout import IMAGE_NOTE, KERNEL_NOTE, Layers
from benchmarks.image.model import SCHEMA, Image, KernelPart, Manifest
from benchmarks.image.model import Kernel as KernelManifest
from benchmarks.image.own_kernel import HostKernel
from benchmarks.image.scratch import interruptible, scratch
from benchmarks.image.sources import parse_release
from benchmarks.image.store import Progress

_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")
_LAYOUT_FILE = re.compile(r"(?:\./)?(oci-layout|index\.json|blobs/sha(?:256|512)/[0-9a-f]+)")
_DOCKER_FILE = re.compile(r"(?:\./)?(manifest\.json|repositories|[0-9a-f]{64}(?:[./].*)?)")
_SKOPEO = re.compile(r"[a-z-]+:.+")


class _Unpacked(msgspec.Struct):
    """What `benchmarks.image.unpack` says it did."""

    digests: list[str] = []
    devices: int = 0
    added: list[str] = []
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Workplace:
    """Where an image is taken in, and who is told."""

    folder: Path
    work: Path
    log: Path
    progress: Progress

    @property
    def root(self) -> Path:
        return self.work / "tree"


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
            at = _Workplace(folder, work, new_log(folder), progress)
            image = _import(at, source, name, kernel, cache)
            at.log.unlink(missing_ok=True)
            return image
    except OSError as error:
        raise tools.explain_os_error(f"importing {source}", error) from error


def _import(
    at: _Workplace, source: str, name: str | None, kernel: HostKernel | None, cache: Path | None
) -> Image:
    began, began_wall = time.monotonic(), time.time()
    layers, packed = _fill(at, source)
    _check_root_file_system(at.root, source)
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


def _fill(at: _Workplace, source: str) -> tuple[Layers | None, Layers | None]:
    """Lay the tree down; the layers it came from, and those of a kernel, where there are any."""
    path = Path(source)
    if not path.exists():
        if not _SKOPEO.fullmatch(source):
            raise BadArchiveError(f"there is no {source}; name a directory or a file")
        return _layout(at, _by_skopeo(at, source), source)
    if path.is_dir():
        if layout.is_layout(path):
            return _layout(at, path, source)
        at.progress(f"copying the tree from {source}")
        tree.copy(path, at.root, log=at.log)
        _unpack(at, at.root, source, (), lend=True)
        return None, None
    form, first = _look(path)
    if _LAYOUT_FILE.fullmatch(first):
        return _layout(at, _unpacked_layout(at, path), source)
    if _DOCKER_FILE.fullmatch(first):
        return _layout(at, _by_skopeo(at, f"docker-archive:{source}"), source)
    at.root.mkdir()
    _unpack(at, at.root, source, ((form, path),), lend=True)
    return None, None


def _layout(at: _Workplace, folder: Path, source: str) -> tuple[Layers, Layers | None]:
    at.progress(f"checking the blobs of {source}")
    image, kernel = layout.read(folder)
    at.root.mkdir()
    found = _unpack(at, at.root, source, image.files, lend=True)
    if image.digests and tuple(found.digests) != image.digests:
        raise BadArchiveError(
            f"a layer of {source} is not what the image's configuration says; fetch it again"
        )
    return image, kernel


def _look(path: Path) -> tuple[str, str]:
    """How a file is compressed, and the first file in the archive; empty where not known."""
    with path.open("rb") as file:
        head = file.read(8)
    form = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "tar")
    if form == "zstd":  # known to tarfile from Python 3.14 on
        tools.require("zstd")
        return form, ""
    try:
        with tarfile.open(path, "r:*") as archive:
            names = (member.name for member in archive if not member.isdir())
            return form, next(names, "")
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BadArchiveError(f"{path} is no tar archive that can be read") from error


def _unpacked_layout(at: _Workplace, path: Path) -> Path:
    """Take a layout's files out of its archive, and nothing else that may be in there."""
    folder = at.work / "layout"
    folder.mkdir()
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                if member.isreg() and _LAYOUT_FILE.fullmatch(member.name):
                    archive.extract(member, folder, filter="data")
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BadArchiveError(f"{path} is damaged: {error}") from error
    return folder


def _by_skopeo(at: _Workplace, source: str) -> Path:
    """Let skopeo make a layout of what only it can read."""
    if shutil.which("skopeo") is None:
        raise MissingToolError(
            f"reading {source} takes skopeo, which is not installed; install it, or save the image "
            "as an OCI archive (podman save --format oci-archive)"
        )
    at.progress(f"copying {source} with skopeo")
    folder = at.work / "layout"
    tools.run("copying the image", ["skopeo", "copy", source, f"oci:{folder}"], log=at.log)
    return folder


def _unpack(
    at: _Workplace,
    root: Path,
    source: str,
    files: tuple[tuple[str, Path], ...],
    *,
    lend: bool,
) -> _Unpacked:
    """Lay layers down in `root`; with `lend`, give the tree what sandboxes need of one."""
    if any(form == "zstd" for form, _ in files):
        tools.require("zstd")
    if files:
        at.progress(f"unpacking {source}")
    lent = "-"
    if lend:
        try:
            lent = str(busybox.find(root))
        except MissingToolError:
            lent = ""
    command = [sys.executable, "-I", "-S", unpack.__file__, str(root), lent]
    for form, path in files:
        command += [form, str(path)]
    said = tools.run(f"unpacking {source}", command, log=at.log)
    found = msgspec.json.decode(said, type=_Unpacked)
    if found.error:
        raise BadArchiveError(f"{source} cannot be imported: {found.error}")
    if found.devices:
        at.progress(f"left out {found.devices} device nodes: every sandbox has its own")
    if found.added:
        at.progress(f"added what every sandbox needs: {', '.join(found.added)}")
    if lend and inside.resolved(root, "bin/busybox") is None:
        raise MissingToolError(
            f"{source} has no /bin/busybox, with which every sandbox begins, and this host has no "
            "static one to lend it; install busybox-static (on Fedora and Arch: busybox)"
        )
    return found


def _check_root_file_system(root: Path, source: str) -> None:
    if not any(inside.resolved(root, name) for name in ("usr/bin", "usr/sbin", "sbin", "lib")):
        raise BadArchiveError(f"{source} holds no root file system; name one that does")
    shell = inside.resolved(root, "bin/sh")
    if shell is not None and busybox.is_foreign(shell):
        raise BadArchiveError(
            f"{source} is for another architecture than this host's; import one for it"
        )


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
    at: _Workplace, given: HostKernel | None, packed: Layers | None, cache: Path | None
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


def _of_host(at: _Workplace, own: HostKernel, *, pinned: bool) -> Path:
    at.progress(f"copying the kernel {own.release}")
    return kernels.from_host(own, at.root, at.work, log=at.log, progress=at.progress, pinned=pinned)


def _of_export(at: _Workplace, packed: Layers) -> Path:
    try:
        said = msgspec.json.decode(packed.notes.get(KERNEL_NOTE, ""), type=KernelManifest)
    except msgspec.DecodeError as error:
        raise BadArchiveError(f"the export names a kernel that cannot be read: {error}") from error
    folder = at.work / "kernel"
    folder.mkdir()
    _unpack(at, folder, f"the kernel {said.release}", packed.files, lend=False)
    made = _finish(at, said)
    if said.digest not in {None, f"sha256:{made.name}"}:
        raise BadArchiveError(f"the kernel {said.release} is not the one that was exported")
    return made


def _of_image(at: _Workplace, known: KernelPart) -> Path:
    at.progress(f"taking the kernel {known.manifest.release} of another image")
    copied = ["cp", "--archive", "--reflink=auto", str(known.folder / "kernel"), str(at.work)]
    tools.run("copying the kernel", copied, log=at.log)
    return _finish(at, known.manifest)


def _finish(at: _Workplace, said: KernelManifest) -> Path:
    found = Kernel(package=said.package, version=said.version, release=said.release)
    return kernels.finish(at.work, at.root, found, pinned=True, progress=at.progress)


def _stem(source: str) -> str:
    """What to call an image by its file: ``debian`` of ``…/debian.tar.gz``."""
    stem = re.sub(r"\.(tar|oci|tgz)(\.\w+)?$", "", Path(source).resolve().name)
    return stem if _NAME.fullmatch(stem) else ""
