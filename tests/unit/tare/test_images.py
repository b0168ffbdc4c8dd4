"""Images on the command line: by name or digest, imported and exported, in one sentence."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest

from benchmarks.image import Image, Manifest, boot, store
from benchmarks.image.model import SCHEMA, Kernel
from benchmarks.results import runfolder
from tare import cli, images
from tests.unit.conftest import fake_campaign

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

type Tare = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tare"


@pytest.fixture
def tare(capsys: pytest.CaptureFixture[str], cache: Path) -> Tare:
    assert not cache.exists()

    def call(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


def put(cache: Path, digit: str, name: str, *releases: str) -> Image:
    """An image with these kernels, the last in use; nothing of its files is there."""
    digest = f"sha256:{digit * 64}"
    folder = cache / "images" / digest.replace(":", "-")
    folder.mkdir(parents=True)
    used = ""
    for number, release in enumerate(releases):
        used = f"kernels/{number}"
        (folder / used).mkdir(parents=True)
        kernel = Kernel(
            digest=f"sha256:{number}{'0' * 63}",
            release=release,
            package="p",
            version="v",
            pinned=True,
            boot_key=boot.key("v"),
        )
        store.write_kernel(folder / used, kernel)
    manifest = Manifest(
        schema=SCHEMA, digest=digest, recipe="r", distribution="d", suite="s", packages={},
        tree_bytes=1 << 20, block_bytes=1 << 20, built_at=datetime.now(UTC), build_s=1.0,
        name=name, kernel=used, no_guest="" if used else "none was given",
    )  # fmt: skip
    store.write_manifest(folder, manifest)
    return store.opened(folder, manifest)


def test_images_are_listed_with_their_names_and_kernels(tare: Tare, cache: Path) -> None:
    put(cache, "a", "mine", "6.1")
    put(cache, "b", "")
    code, out, _ = tare("image", "list")
    assert code == 0
    first, second = out.splitlines()
    assert first.endswith("2 MiB  kernel 6.1  mine")
    assert second.endswith("2 MiB  no kernel")
    listed = json.loads(tare("image", "list", "--json")[1])
    assert [one["name"] for one in listed] == ["mine", None]
    assert [one["kernel_release"] for one in listed] == ["6.1", None]


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (("run", "smoke", "--image", "nosuch"), 1, "no image 'nosuch'"),
        (("image", "export", "nosuch", "file"), 1, "no image 'nosuch'"),
        (("image", "rm", "nosuch"), 1, "no image 'nosuch'"),
        (("image", "import", "/", "--modules", "/"), 2, "--modules goes with --kernel"),
        (("image", "import", "/nowhere"), 1, "there is no /nowhere"),
        (("image", "import", "/nowhere", "--name", "../x"), 1, "is no name for an image"),
        (("image", "import", "/nowhere", "--kernel", "/etc/passwd"), 1, "has no modules at"),
    ],
)
def test_errors_are_one_sentence(
    tare: Tare,
    args: tuple[str, ...],
    code: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    ended, _, err = tare(*args)
    assert (ended, sentence in err) == (code, True), err
    assert "Traceback" not in err


@pytest.mark.parametrize("args", [("import", "/"), ("export", "mine", "file")])
def test_without_root_it_is_said(
    tare: Tare, args: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    code, _, err = tare("image", *args)
    assert (code, "needs root" in err) == (4, True)


def test_an_image_is_chosen_by_name_and_by_digest(cache: Path) -> None:
    image = put(cache, "a", "mine", "6.1")
    campaign = fake_campaign(sandboxes=("native",))
    assert images.choose(campaign, "mine", print) == image
    assert images.choose(campaign, "aaaa", print) == image
    assert images.choose(fake_campaign(), "mine", print) is None


def test_a_resumed_run_takes_the_image_and_kernel_it_began_with(
    cache: Path, fake_run: Path
) -> None:
    put(cache, "b", "later", "7.0")
    image = put(cache, "a", "mine", "6.1", "6.2")
    info = runfolder.load_info(fake_run)
    began = {"digest": image.digest, "kernel_digest": f"sha256:0{'0' * 63}"}
    found = images.of_run(fake_campaign(), msgspec.structs.replace(info, image=began), print)
    assert found is not None
    assert (found.digest, found.kernel_release) == (image.digest, "6.1")
