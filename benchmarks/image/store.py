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
from benchmarks.image.model import SCHEMA, Image, Manifest

PARTIAL = ".partial-"
_REMOVING = ".removing-"
_MANIFEST = "manifest.json"
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
        manifest = msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError):
        return None
    return Image(folder, manifest) if manifest.schema == SCHEMA else None


def latest(cache: Path | None = None) -> Image | None:
    """The image built last, None where the cache is empty."""
    images = list(cache)
    return images[-1] if images else None


def find(ref: str, cache: Path | None = None) -> Image:
    """Find an image by its digest or the beginning of it, with or without ``sha256:``.

    Raises:
        UnknownImageError, AmbiguousImageError: none or several match.
    """
    prefix = ref.removeprefix("sha256:")
    found = [i for i in list(cache) if i.digest.removeprefix("sha256:").startswith(prefix)]
    if not prefix or not found:
        raise UnknownImageError(
            f"no image {ref!r} in {images_folder(cache)}; see tare image list, or make one "
            "with tare image build"
        )
    if len(found) > 1:
        names = ", ".join(image.digest[:19] for image in found)
        raise AmbiguousImageError(
            f"{ref!r} matches {len(found)} images ({names}); give more digits"
        )
    return found[0]


def verify(image: Image) -> None:
    """Recompute the tree's digest.

    Raises:
        ImageDamagedError: the tree is not what was built; something wrote to it.
    """
    actual = tree_digest(image.root)
    if actual != image.digest:
        raise ImageDamagedError(
            f"image {image.digest[:19]} was changed after it was built: {image.root} is now "
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
    fresh = folder / f".{_MANIFEST}"
    with fresh.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(folder / _MANIFEST)


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
