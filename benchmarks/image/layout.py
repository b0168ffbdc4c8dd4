"""Reads an OCI image layout: which layers make the image of this host's architecture.

Of the OCI image specification: image-layout.md, image-index.md, manifest.md, config.md. Every blob
is checked against its digest and size before anything of it is used. What tare itself exports holds
the kernel as well, as an artifact beside the image (see `benchmarks.image.export`).
"""

import hashlib
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.image.errors import BadArchiveError
from vmdriver import harness

KERNEL_TYPE = "application/vnd.tare.kernel.v1"
"""Type of the artifact that holds a kernel."""
IMAGE_NOTE, KERNEL_NOTE = "tare.image", "tare.kernel"
"""Annotations with the manifests of tare's own image and kernel, as JSON."""
NAME_NOTE = "org.opencontainers.image.ref.name"

_DIGEST = re.compile(r"(sha256|sha512):([0-9a-f]{64,128})")
_FORMATS = {"tar": "tar", "gzip": "gzip", "zstd": "zstd"}
_MOST_JSON_BYTES = 4 << 20
_DEEPEST = 4


class _Platform(msgspec.Struct):
    architecture: str
    os: str


class _Descriptor(msgspec.Struct, rename="camel"):
    digest: str
    size: int
    media_type: str = ""
    artifact_type: str = ""
    platform: _Platform | None = None
    annotations: dict[str, str] = {}


class _Index(msgspec.Struct):
    manifests: list[_Descriptor]


class _ImageManifest(msgspec.Struct, rename="camel"):
    config: _Descriptor
    layers: list[_Descriptor]
    artifact_type: str = ""
    annotations: dict[str, str] = {}


class _RootFs(msgspec.Struct):
    diff_ids: list[str]


class _Config(msgspec.Struct):
    architecture: str
    os: str
    rootfs: _RootFs


@dataclass(frozen=True, slots=True)
class Layers:
    """What a manifest of a layout stands for.

    Attributes:
        files: format and file of each layer, the lowest first.
        digests: of each layer once it is decompressed; empty where the layout does not say.
        notes: the manifest's annotations.
        name: the reference by which the layout has it; empty for none.
    """

    files: tuple[tuple[str, Path], ...]
    digests: tuple[str, ...]
    notes: dict[str, str]
    name: str = ""


def is_layout(folder: Path) -> bool:
    """Tell a layout from another directory."""
    return (folder / "oci-layout").is_file() and (folder / "index.json").is_file()


def read(folder: Path) -> tuple[Layers, Layers | None]:
    """Return the image in the layout at `folder`, and the kernel beside it where there is one.

    Raises:
        BadArchiveError: it holds none or several for this host, or is damaged.
    """
    described = [*_described(folder, _decode(folder / "index.json", _Index), _DEEPEST)]
    own = harness.of(platform.machine()).debian  # Go calls these two as Debian does
    images = [
        (descriptor, manifest)
        for descriptor, manifest in described
        if manifest.artifact_type != KERNEL_TYPE
        and (descriptor.platform is None or _fits(descriptor.platform, own))
    ]
    if len(images) != 1:
        names = ", ".join(d.annotations.get(NAME_NOTE, d.digest[:19]) for d, _ in images)
        raise BadArchiveError(
            f"{folder} holds {len(images) or 'no'} images for {own}{names and f' ({names})'}; "
            "copy the wanted one into a layout of its own, for instance with skopeo copy"
        )
    descriptor, manifest = images[0]
    config = _blob_as(folder, manifest.config, _Config)
    if config.os != "linux" or config.architecture != own:
        raise BadArchiveError(
            f"{folder} holds an image for {config.os} on {config.architecture}, this host is "
            f"{own}; import one for it"
        )
    name = descriptor.annotations.get(NAME_NOTE, "")
    image = _layers(folder, manifest, tuple(config.rootfs.diff_ids), name)
    kernels = (m for _, m in described if m.artifact_type == KERNEL_TYPE)
    kernel = next(kernels, None)
    return image, None if kernel is None else _layers(folder, kernel, (), "")


def _fits(found: _Platform, own: str) -> bool:
    return found.os == "linux" and found.architecture == own


def _described(
    folder: Path, index: _Index, deepest: int
) -> Iterator[tuple[_Descriptor, _ImageManifest]]:
    """Follow an index, and those in it, to the manifests of images."""
    if not deepest:
        raise BadArchiveError(f"the indices in {folder} lie in each other too deep")
    for descriptor in index.manifests:
        if "index" in descriptor.media_type or "manifest.list" in descriptor.media_type:
            inner = _blob_as(folder, descriptor, _Index)
            yield from _described(folder, inner, deepest - 1)
        elif descriptor.platform is None or descriptor.platform.os != "unknown":
            # BuildKit's attestations are manifests for an unknown platform
            yield descriptor, _blob_as(folder, descriptor, _ImageManifest)


def _layers(folder: Path, manifest: _ImageManifest, digests: tuple[str, ...], name: str) -> Layers:
    files = []
    for layer in manifest.layers:
        form = _FORMATS.get(re.split(r"[.+]", layer.media_type)[-1])
        if form is None:
            raise BadArchiveError(
                f"a layer in {folder} is of the type {layer.media_type}, which is none of tar, "
                "tar+gzip and tar+zstd; convert the image, for instance with skopeo copy"
            )
        files.append((form, blob(folder, layer.digest, layer.size)))
    if digests and len(digests) != len(files):
        raise BadArchiveError(
            f"the image in {folder} names {len(files)} layers and {len(digests)} digests of them"
        )
    return Layers(tuple(files), digests, manifest.annotations, name)


def blob(folder: Path, digest: str, size: int) -> Path:
    """Return the file of a blob, checked.

    Raises:
        BadArchiveError: it is missing, or not what its digest says.
    """
    parts = _DIGEST.fullmatch(digest)
    if parts is None:
        raise BadArchiveError(f"{folder} names a blob by {digest[:80]!r}, which is no digest")
    path = folder / "blobs" / parts[1] / parts[2]
    try:
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, parts[1]).hexdigest()
            length = file.tell()
    except OSError as error:
        raise BadArchiveError(f"cannot read the blob {path}: {error.strerror}") from error
    if actual != parts[2] or length != size:
        raise BadArchiveError(f"the blob {path} is not what its digest says; fetch the image again")
    return path


def _blob_as[T](folder: Path, descriptor: _Descriptor, kind: type[T]) -> T:
    return _decode(blob(folder, descriptor.digest, descriptor.size), kind)


def _decode[T](path: Path, kind: type[T]) -> T:
    try:
        if path.stat().st_size > _MOST_JSON_BYTES:
            raise BadArchiveError(f"{path} is too large to describe an image")
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise BadArchiveError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise BadArchiveError(f"{path} does not describe an image: {error}") from error
