"""The cache shows whole images only, finds them by digest, and deletes nothing that is in use."""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from benchmarks.image import Image, Manifest, store
from benchmarks.image.digest import tree_digest
from benchmarks.image.disposal import mentions
from benchmarks.image.errors import AmbiguousImageError, ImageDamagedError, UnknownImageError
from benchmarks.image.model import SCHEMA


def put(cache: Path, content: str, *, year: int = 2026) -> Image:
    root = cache / "images" / "new" / "tree"
    root.mkdir(parents=True)
    (root / "file").write_text(content, encoding="utf-8")
    manifest = Manifest(
        schema=SCHEMA,
        digest=tree_digest(root),
        recipe="recipe",
        distribution="debian",
        suite="trixie",
        packages={"sysbench": "1.0"},
        tree_bytes=4,
        block_bytes=4096,
        built_at=datetime(year, 1, 1, tzinfo=UTC),
        build_s=1.5,
    )
    store.write_manifest(root.parent, manifest)
    return Image(root.parent.rename(root.parents[1] / manifest.digest.replace(":", "-")), manifest)


def test_empty_cache(tmp_path: Path) -> None:
    assert store.list(tmp_path) == ()
    assert store.latest(tmp_path) is None
    with pytest.raises(UnknownImageError, match="tare image build"):
        store.find("abcd", tmp_path)


def test_images_are_listed_by_age_and_found_by_digest(tmp_path: Path) -> None:
    young, old = put(tmp_path, "young", year=2026), put(tmp_path, "old", year=2025)
    assert store.list(tmp_path) == (old, young)
    assert store.latest(tmp_path) == young
    assert store.find(old.digest, tmp_path) == old
    assert store.find(young.digest[7:15], tmp_path) == young
    assert young.packages == {"sysbench": "1.0"}
    assert young.size_bytes == 4100


def test_ambiguous_reference_asks_for_more_digits(tmp_path: Path) -> None:
    digits = [put(tmp_path, str(number)).digest[7] for number in range(17)]
    shared = next(digit for digit in digits if digits.count(digit) > 1)
    with pytest.raises(AmbiguousImageError, match="give more digits"):
        store.find(shared, tmp_path)


def test_folders_without_a_valid_manifest_are_no_images(tmp_path: Path) -> None:
    image = put(tmp_path, "x")
    (image.folder / "manifest.json").write_text("{}", encoding="utf-8")
    assert store.list(tmp_path) == ()


def test_images_of_another_schema_count_as_absent(tmp_path: Path) -> None:
    image = put(tmp_path, "x")
    store.write_manifest(image.folder, msgspec.structs.replace(image.manifest, schema=99))
    assert store.list(tmp_path) == ()


def test_removed_image_is_gone(tmp_path: Path) -> None:
    image, kept = put(tmp_path, "x"), put(tmp_path, "y")
    assert store.remove(image.digest, tmp_path) == image
    assert not image.folder.exists()
    assert store.list(tmp_path) == (kept,)
    assert store.leftovers(tmp_path) == ()


def test_what_a_killed_build_left_is_cleared_by_the_next_holder(tmp_path: Path) -> None:
    half = tmp_path / "images" / ".partial-abc"
    (half / "tree").mkdir(parents=True)
    assert store.list(tmp_path) == ()
    assert store.leftovers(tmp_path) == (half,)
    with store.locked(tmp_path):
        assert not half.exists()


def test_clean_names_what_it_deletes(tmp_path: Path) -> None:
    assert store.clean(tmp_path) == ()
    image = put(tmp_path, "x")
    half = tmp_path / "images" / ".partial-abc"
    half.mkdir()
    assert store.clean(tmp_path) == (half,)
    assert store.clean(tmp_path) == ()
    assert store.list(tmp_path) == (image,)


def test_second_holder_waits_and_says_so(tmp_path: Path) -> None:
    said: list[str] = []
    with store.locked(tmp_path) as folder:
        waiter = subprocess.Popen(["flock", "--exclusive", str(folder / ".lock"), "true"])
        with pytest.raises(subprocess.TimeoutExpired):
            waiter.wait(0.2)
    assert waiter.wait(60) == 0
    holder = subprocess.Popen(
        ["flock", "--exclusive", str(folder / ".lock"), "sh", "-c", "echo; sleep 0.3"],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout
    holder.stdout.readline()
    with store.locked(tmp_path, said.append):
        assert holder.wait(60) == 0
    holder.stdout.close()
    assert said == ["waiting for another process that builds or removes an image"]


def test_verify_tells_a_written_tree(tmp_path: Path) -> None:
    image = put(tmp_path, "x")
    store.verify(image)
    (image.root / "file").write_text("changed", encoding="utf-8")
    with pytest.raises(ImageDamagedError, match="was changed after it was built"):
        store.verify(image)


@pytest.mark.parametrize(
    ("line", "used"),
    [
        (b"36 35 0:1 / /c/sha256-a/tree/proc rw - proc proc rw", True),
        (b"36 35 0:1 / / rw - overlay overlay rw,lowerdir=/x:/c/sha256-a/tree,upperdir=/u", True),
        (b"36 35 0:1 / /c/sha256-ab rw - tmpfs tmpfs rw", False),
        (b"36 35 0:1 /c/sha256-a /mnt rw - ext4 /dev/vda rw", False),
    ],
)
def test_mounts_that_keep_an_image(line: bytes, *, used: bool) -> None:
    assert mentions(line, b"/c/sha256-a") is used


def test_cache_follows_the_xdg_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path))
    assert store.images_folder() == tmp_path / "tare" / "images"
