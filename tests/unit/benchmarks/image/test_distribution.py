"""Finding a distribution again, and not taking one that was made from something else."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from benchmarks.image import BuildError, Image, Manifest, distribution
from benchmarks.image.model import SCHEMA, Kernel, KernelPart
from benchmarks.image.sources import Host, Source

SOURCE = Source(("http://mirror",), ("trixie",), ("main",))


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    monkeypatch.setattr(distribution, "read_host", lambda: Host("debian", "trixie"))
    monkeypatch.setattr(distribution, "read_sources", lambda _: (SOURCE,))
    folder = tmp_path / "images" / f"sha256-{'a' * 64}"
    (folder / "distribution").mkdir(parents=True)
    manifest = Manifest(
        schema=SCHEMA, digest=f"sha256:{'a' * 64}", recipe="r", distribution="debian",
        suite="trixie", packages={}, tree_bytes=1, block_bytes=1,
        built_at=datetime.now(UTC), build_s=1.0,
    )  # fmt: skip
    return Image(folder, manifest, part(folder, "6.12-1"))


def part(folder: Path, version: str) -> KernelPart:
    kernel = Kernel(digest=None, release="6.12", package="linux-image", version=version)
    return KernelPart(folder, kernel)


def write(image: Image, key: str, tree_key: str = "") -> None:
    contents = distribution.Contents(
        key=key,
        tree_key=tree_key,
        digest="sha256:d",
        packages={"systemd": "257"},
        initrd_bytes=1,
        block_bytes=1,
        build_s=60.0,
    )
    path = image.folder / "distribution" / "manifest.json"
    path.write_bytes(msgspec.json.encode(contents))


def key(image: Image) -> str:
    return distribution._key(image, Host("debian", "trixie"), (SOURCE,))


def test_one_that_was_made_from_the_same_is_not_made_again(image: Image) -> None:
    write(image, key(image))
    found = distribution.build(image)
    assert found.contents.packages == {"systemd": "257"}
    assert found.initrd == image.folder / "distribution" / "initrd"


def test_another_kernel_or_mirror_needs_another(image: Image) -> None:
    other = Image(image.folder, image.manifest, part(image.folder, "6.12-2"))
    assert key(image) != key(other)
    assert key(image) != distribution._key(image, Host("debian", "sid"), (SOURCE,))


def test_of_one_that_lacks_only_the_kernel_the_tree_is_taken(image: Image) -> None:
    origin = (Host("debian", "trixie"), (SOURCE,))
    write(image, key(image), distribution._key(image, *origin, kernel=False))
    updated = Image(image.folder, image.manifest, part(image.folder, "6.12-2"))
    asked, of_tree = key(updated), distribution._key(updated, *origin, kernel=False)
    assert distribution._load(updated, asked) is None
    assert distribution._load(updated, asked, of_tree) is not None
    write(image, key(image))  # as before the two were told apart
    assert distribution._load(updated, asked, of_tree) is None


def test_an_imported_image_has_none(image: Image) -> None:
    manifest = msgspec.structs.replace(image.manifest, origin="alpine.tar")
    with pytest.raises(BuildError, match=r"this one was imported from alpine\.tar"):
        distribution.build(Image(image.folder, manifest, image.part))


def test_without_root_it_is_said_before_anything_is_done(
    image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(image, "of something else")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(BuildError, match="needs root"):
        distribution.build(image)


def test_a_full_disk_is_noticed_beforehand(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(distribution.tools, "require", lambda *_: None)
    monkeypatch.setattr(distribution, "NEEDED_BYTES", 1 << 60)
    with pytest.raises(BuildError, match="building a distribution needs"):
        distribution.build(image)
    assert [path.name for path in image.folder.parent.iterdir() if path.name != ".lock"] == [
        image.folder.name
    ]
