"""Finding a distribution again, and not taking one that was made from something else."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from benchmarks.image import BuildError, Image, Manifest, distribution
from benchmarks.image.model import SCHEMA
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
        suite="trixie", packages={}, kernel_release="6.12", kernel_package="linux-image",
        kernel_version="6.12-1", boot_key="b", tree_bytes=1, block_bytes=1,
        built_at=datetime.now(UTC), build_s=1.0,
    )  # fmt: skip
    return Image(folder, manifest)


def write(image: Image, key: str) -> None:
    contents = distribution.Contents(
        key=key,
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
    manifest = msgspec.structs.replace(image.manifest, kernel_version="6.12-2")
    assert key(image) != key(Image(image.folder, manifest))
    assert key(image) != distribution._key(image, Host("debian", "sid"), (SOURCE,))


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
