"""Lays the root file system of an image down, whatever it comes in.

What is in an archive or a layer is laid down by `benchmarks.image.unpack`, shut in.
"""

import lzma
import re
import shutil
import sys
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.image import busybox, inside, layout, tools, tree, unpack
from benchmarks.image.errors import BadArchiveError, MissingToolError
from benchmarks.image.layout import Layers
from benchmarks.image.store import Progress

_DAMAGED = (tarfile.TarError, EOFError, ValueError, zlib.error, lzma.LZMAError)
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
}
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
class Workplace:
    """Where an image is taken in, and who is told.

    Attributes:
        folder: of the cache's images.
        work: a temporary folder in it.
        log: see `tools.run`.
        progress: told each step.
    """

    folder: Path
    work: Path
    log: Path
    progress: Progress

    @property
    def root(self) -> Path:
        """The tree that grows."""
        return self.work / "tree"


def fill(at: Workplace, source: str) -> tuple[Layers | None, Layers | None]:
    """Lay the tree down at ``at.root``.

    Args:
        at: where.
        source: see `benchmarks.image.import_image`.

    Returns:
        The layers it came from, and those of the kernel beside it; None where there are none.

    Raises:
        BadArchiveError: it is no image, damaged, or for another architecture.
        BuildError: see `tools.run`.
    """
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
        lay_down(at, at.root, source, (), lend=True)
        return None, None
    form, first = _look(path)
    if _LAYOUT_FILE.fullmatch(first):
        return _layout(at, _unpacked_layout(at, path), source)
    if _DOCKER_FILE.fullmatch(first):
        return _layout(at, _by_skopeo(at, f"docker-archive:{source}"), source)
    at.root.mkdir()
    lay_down(at, at.root, source, ((form, path),), lend=True)
    return None, None


def _layout(at: Workplace, folder: Path, source: str) -> tuple[Layers, Layers | None]:
    at.progress(f"checking the blobs of {source}")
    image, kernel = layout.read(folder)
    at.root.mkdir()
    found = lay_down(at, at.root, source, image.files, lend=True)
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
    except _DAMAGED as error:
        raise BadArchiveError(f"{path} is no tar archive that can be read") from error


def _unpacked_layout(at: Workplace, path: Path) -> Path:
    """Take a layout's files out of its archive, and nothing else that may be in there."""
    folder = at.work / "layout"
    folder.mkdir()
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                if member.isreg() and _LAYOUT_FILE.fullmatch(member.name):
                    archive.extract(member, folder, filter="data")
    except _DAMAGED as error:
        raise BadArchiveError(f"{path} is damaged: {error}") from error
    return folder


def _by_skopeo(at: Workplace, source: str) -> Path:
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


def lay_down(
    at: Workplace,
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


def check_root_file_system(root: Path, source: str) -> None:
    """Check that the tree is a root file system of this host's architecture.

    Raises:
        BadArchiveError: it is none.
    """
    if not any(inside.resolved(root, name) for name in ("usr/bin", "usr/sbin", "sbin", "lib")):
        raise BadArchiveError(f"{source} holds no root file system; name one that does")
    shell = inside.resolved(root, "bin/sh")
    if shell is not None and busybox.is_foreign(shell):
        raise BadArchiveError(
            f"{source} is for another architecture than this host's; import one for it"
        )
