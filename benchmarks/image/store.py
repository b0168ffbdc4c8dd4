"""The image cache: one folder per image under the XDG cache directory, named by content.

Images appear by one rename and disappear by one rename, so a reader sees a whole image or none.
Everything that changes the cache holds the lock; whatever else lies there under a temporary name
is then the remainder of a killed build, and is deleted.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import platformdirs

from benchmarks.image.digest import tree_digest
from benchmarks.image.disposal import discard, mounted
from benchmarks.image.errors import (
    AmbiguousImageError,
    ImageDamagedError,
    ImageInUseError,
    UnknownImageError,
)
from benchmarks.image.model import OWN, SCHEMA, Image, Kernel, KernelPart, Manifest

PARTIAL = ".partial-"
_REMOVING = ".removing-"
KERNELS = "kernels"
_MANIFEST = "manifest.json"
_KERNEL = "kernel.json"
_KERNELS_KEPT = 2
"""The one in use and the one before, with which a run that is under way may still start guests."""
Progress = Callable[[str], None]


def images_folder(cache: Path | None = None) -> Path:
    """Where images lie: in `cache`, or in ``tare`` under the XDG cache directory."""
    return (cache or platformdirs.user_cache_path("tare")) / "images"


def list(cache: Path | None = None) -> tuple[Image, ...]:  # noqa: A001  # reads as store.list()
    """All complete images, the oldest first."""
    folder = images_folder(cache)
    if not folder.is_dir():
        return ()
    found = (load(path) for path in folder.glob("sha256-*"))
    return tuple(sorted((i for i in found if i is not None), key=lambda image: image.built_at))


def load(folder: Path) -> Image | None:
    """Read one image's manifest; None where it is missing, unreadable or of another schema."""
    try:
        raw = (folder / _MANIFEST).read_bytes()
        manifest = msgspec.json.decode(raw, type=Manifest)
        if manifest.schema == 1:
            return Image(folder, manifest, _first_kernel(folder, raw))
    except (OSError, msgspec.DecodeError):
        return None
    if manifest.schema != SCHEMA:
        return None
    return opened(folder, manifest)


def opened(folder: Path, manifest: Manifest) -> Image:
    """Return the image of a folder whose manifest is known."""
    kernel = load_kernel(folder / manifest.kernel) if manifest.kernel else None
    return Image(folder, manifest, kernel)


def load_kernel(folder: Path) -> KernelPart | None:
    """Read one kernel of an image; None where there is none."""
    try:
        return KernelPart(folder, msgspec.json.decode((folder / _KERNEL).read_bytes(), type=Kernel))
    except (OSError, msgspec.DecodeError):
        return None


class _First(msgspec.Struct, frozen=True):
    """What a manifest of schema 1 says of the kernel."""

    kernel_release: str
    kernel_package: str
    kernel_version: str
    boot_key: str


def _first_kernel(folder: Path, manifest: bytes) -> KernelPart:
    said = msgspec.json.decode(manifest, type=_First)
    own = said.kernel_package == OWN
    kernel = Kernel(
        digest=None,
        release=said.kernel_release,
        package=said.kernel_package,
        version=said.kernel_version,
        host=f"{said.kernel_release} {said.kernel_version}" if own else "",
        boot_key=said.boot_key,
    )
    return KernelPart(folder, kernel)


def latest(cache: Path | None = None) -> Image | None:
    """The image built last, None where the cache is empty."""
    images = list(cache)
    return images[-1] if images else None


def find(ref: str, cache: Path | None = None) -> Image:
    """Find an image by its name, or by its digest or the beginning of it.

    Raises:
        UnknownImageError, AmbiguousImageError: none or several match.
    """
    images = list(cache)
    prefix = ref.removeprefix("sha256:")
    found = [i for i in images if ref and i.manifest.name == ref] or [
        i for i in images if prefix and i.digest.removeprefix("sha256:").startswith(prefix)
    ]
    if not found:
        raise UnknownImageError(
            f"no image {ref!r} in {images_folder(cache)}; see tare image list, or make one "
            "with tare image build or tare image import"
        )
    if len(found) > 1:
        names = ", ".join(image.digest[:19] for image in found)
        raise AmbiguousImageError(
            f"{ref!r} matches {len(found)} images ({names}); give more digits"
        )
    return found[0]


def recorded(digest: str, kernel: str | None, cache: Path | None = None) -> Image | None:
    """Find the very image that a run names, with the kernel it had; None where it is gone."""
    image = load(images_folder(cache) / digest.replace(":", "-"))
    if image is None or kernel is None:
        return image
    known = (load_kernel(path) for path in (image.folder / KERNELS).glob("*"))
    candidates = (image.part, *known)
    part = next((p for p in candidates if p is not None and p.manifest.digest == kernel), None)
    return None if part is None else Image(image.folder, image.manifest, part)


def rename(image: Image, name: str, cache: Path | None = None) -> Image:
    """Give an image a name, taking it from any other that has it; the caller holds the lock."""
    for other in list(cache):
        if name and other.manifest.name == name and other.folder != image.folder:
            replace_manifest(other, name="")
    return replace_manifest(image, name=name)


def verify(image: Image) -> None:
    """Recompute the digests of the tree and of the kernel in use.

    Raises:
        ImageDamagedError: one is not what was built; something wrote to it.
    """
    _verify(image, image.root, image.digest)
    if image.part is not None and image.part.manifest.digest is not None:
        _verify(image, image.part.folder / "kernel", image.part.manifest.digest)


def _verify(image: Image, folder: Path, digest: str) -> None:
    actual = tree_digest(folder)
    if actual != digest:
        raise ImageDamagedError(
            f"image {image.digest[:19]} was changed after it was built: {folder} is now "
            f"{actual[:19]}; remove it with tare image rm {image.digest[7:19]} and build it anew"
        )


def remove(ref: str, cache: Path | None = None) -> Image:
    """Delete an image and return what it was.

    Raises:
        UnknownImageError, AmbiguousImageError: see `find`.
        ImageInUseError: a file system is mounted inside or an overlay stands on it.
    """
    with locked(cache) as folder:
        image = find(ref, cache)
        if mounted(image.folder):
            raise ImageInUseError(
                f"image {image.digest[:19]} is in use: a mount refers to {image.folder}; stop the "
                "sandboxes that use it, or run tare clean, and try again"
            )
        aside = folder / f"{_REMOVING}{image.folder.name}"
        image.folder.rename(aside)
        discard(aside)
        return image


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write or replace a folder's manifest; durable before it is visible."""
    _write(folder / _MANIFEST, manifest)


def replace_manifest(image: Image, **changed: object) -> Image:
    """Change fields of an image's manifest; one of schema 1 becomes one of the schema of today."""
    if image.manifest.schema == 1 and image.part is not None:
        kernel = msgspec.structs.replace(
            image.part.manifest, digest=tree_digest(image.part.folder / "kernel")
        )
        write_kernel(image.part.folder, kernel)
        changed = {"kernel": ".", **changed}
    manifest = msgspec.structs.replace(image.manifest, schema=SCHEMA, **changed)
    write_manifest(image.folder, manifest)
    return opened(image.folder, manifest)


def write_kernel(folder: Path, kernel: Kernel) -> None:
    """Write or replace what a kernel's folder says of it."""
    _write(folder / _KERNEL, kernel)


def replace_kernel(image: Image, **changed: object) -> Image:
    """Change fields of the kernel that an image uses."""
    if image.manifest.schema == 1:
        image = replace_manifest(image)
    assert image.part is not None  # or there is nothing to change
    changed_kernel = msgspec.structs.replace(image.part.manifest, **changed)
    write_kernel(image.part.folder, changed_kernel)
    return Image(image.folder, image.manifest, KernelPart(image.part.folder, changed_kernel))


def use_kernel(image: Image, made: Path) -> Image:
    """Move a kernel into an image, as the one in use; the caller holds the lock."""
    kernels = image.folder / KERNELS
    kernels.mkdir(exist_ok=True)
    final = kernels / made.name
    there = load_kernel(final)
    if there is None:
        if final.exists():  # of an earlier attempt that was killed
            discard(final)
        made.rename(final)
    else:  # the same files under another name; what was made of them is here, and of its age
        said = load_kernel(made)
        assert said is not None  # the caller made it
        boot_key = there.manifest.boot_key
        write_kernel(final, msgspec.structs.replace(said.manifest, boot_key=boot_key))
    (final / _KERNEL).touch()
    changed = replace_manifest(image, kernel=f"{KERNELS}/{made.name}", no_guest="")
    by_age = sorted(kernels.iterdir(), key=lambda path: (path / _KERNEL).stat().st_mtime)
    for path in by_age[:-_KERNELS_KEPT]:
        discard(path)
    return changed


def _write(path: Path, what: msgspec.Struct) -> None:
    fresh = path.with_name(f".{path.name}")
    with fresh.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(what)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


@contextmanager
def locked(cache: Path | None = None, progress: Progress | None = None) -> Iterator[Path]:
    """Hold the cache alone, having cleared away what killed builds left; yields its folder.

    Raises:
        ImageInUseError: a remainder has a mount inside and is left alone.
    """
    folder = images_folder(cache)
    folder.mkdir(parents=True, exist_ok=True)
    with _held(folder, progress):
        for path in leftovers(cache):
            discard(path)
        yield folder


@contextmanager
def _held(folder: Path, progress: Progress | None) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if progress:
                progress("waiting for another process that builds or removes an image")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def leftovers(cache: Path | None = None) -> tuple[Path, ...]:
    """What killed builds and removals left, or a build that is under way is filling."""
    folder = images_folder(cache)
    return tuple(sorted(p for mark in (PARTIAL, _REMOVING) for p in folder.glob(f"{mark}*")))


def clean(cache: Path | None = None) -> tuple[Path, ...]:
    """Delete what killed builds and removals left; returns what it was.

    Raises:
        ImageInUseError: a remainder has a mount inside and is left alone.
    """
    if not images_folder(cache).is_dir():
        return ()
    with _held(images_folder(cache), None):
        left = leftovers(cache)
        for path in left:
            discard(path)
        return left
