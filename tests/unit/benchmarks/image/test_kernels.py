"""The kernel is a part of its own: an update of the host's renews it alone, without a network."""

import dataclasses
import hashlib
import json
import os
import time
from pathlib import Path

import msgspec
import pytest

from benchmarks.image import Image, build, builder, get, own_kernel, store
from benchmarks.image.errors import ImageDamagedError
from benchmarks.image.sources import Host, Source
from tests.unit.benchmarks.image import stand_ins

HOST = Host("debian", "trixie")
SOURCE = Source(("http://mirror.example",), ("trixie",), ("main",), "/debian-archive-keyring")


class World:
    """A host whose kernel can be updated, and whose mmdebstrap counts its calls."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.cache = folder, folder / "cache"
        self.bin = folder / "bin"
        self.own: own_kernel.HostKernel | None = None
        stand_ins.programs(self.bin)
        busybox = stand_ins.static_program(folder / "busybox")
        stand_ins.make_tree(self.bin / "mmdebstrap", busybox)
        stand_ins.write(self.bin / "apt-get", "echo no network >&2; exit 1")
        monkeypatch.setenv("PATH", f"{self.bin}:/usr/bin:/bin")
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(builder, "read_host", lambda: HOST)
        monkeypatch.setattr(builder, "read_sources", lambda _: (SOURCE,))
        monkeypatch.setattr(own_kernel, "find", lambda: self.own)

    def update(self, release: str, *, note: bytes = stand_ins.PVH) -> None:
        self.own = stand_ins.plant_kernel(self.folder / "host" / release, release, note=note)

    def build(self) -> Image:
        return build(self.cache)

    @property
    def trees_made(self) -> int:
        calls = self.bin / "mmdebstrap.calls"
        return len(calls.read_text().splitlines()) if calls.exists() else 0


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path, monkeypatch)
    world.update("6.1")
    return world


def kernel(image: Image) -> str:
    digest = image.boot.manifest.digest
    assert digest is not None
    return digest


def test_an_update_renews_the_kernel_and_not_the_tree(world: World) -> None:
    before = world.build()
    assert world.build() == before
    world.update("6.2")
    after = world.build()
    assert after.digest == before.digest
    assert (before.kernel_release, after.kernel_release) == ("6.1", "6.2")
    assert kernel(after) != kernel(before)
    assert after.kernel.is_file()
    assert after.vmlinux.is_file()
    assert after.initramfs.is_file()
    assert world.trees_made == 1
    assert world.build() == after


def test_a_run_finds_the_kernel_that_it_began_with(world: World) -> None:
    before = world.build()
    world.update("6.2")
    after = world.build()
    assert before.kernel.is_file()
    for one in (before, after):
        found = store.recorded(one.digest, kernel(one), world.cache)
        assert found is not None
        assert found.boot == one.boot
    assert store.recorded(after.digest, None, world.cache) == after
    assert store.recorded(before.digest, f"sha256:{'0' * 64}", world.cache) is None


def test_older_kernels_go(world: World) -> None:
    image = world.build()
    for release in ("6.2", "6.3"):
        time.sleep(0.02)
        world.update(release)
        image = world.build()
    kept = {store.load_kernel(path) for path in (image.folder / "kernels").iterdir()}
    assert {part.manifest.release for part in kept if part} == {"6.2", "6.3"}


def test_a_host_that_lost_its_kernel_s_file_keeps_the_image_s(world: World) -> None:
    before = world.build()
    world.own = None
    assert world.build() == before


def test_one_that_cannot_be_a_guest_s_is_looked_at_once(world: World) -> None:
    before = world.build()
    world.update("6.2", note=b"")
    said: list[str] = []
    after = build(world.cache, progress=said.append)
    assert after.kernel_release == before.kernel_release
    assert any("leaving the host's own kernel 6.2 out" in line for line in said)
    said.clear()
    assert build(world.cache, progress=said.append) == after
    assert said == []


def test_changed_code_of_the_guest_renews_what_it_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.build()
    before.initramfs.unlink()
    monkeypatch.setattr("benchmarks.image.boot.key", lambda _: "other")
    after = world.build()
    assert after.initramfs.is_file()
    assert kernel(after) == kernel(before)


def test_an_image_by_its_name_follows_the_host_s_kernel(world: World) -> None:
    image = world.build()
    store.rename(image, "mine", world.cache)
    world.update("6.2")
    assert get("mine", world.cache).kernel_release == "6.2"
    assert get(image.digest[:19], world.cache).kernel_release == "6.2"


def test_a_kernel_that_the_user_chose_stays(world: World) -> None:
    image = world.build()
    store.replace_kernel(image, pinned=True)
    world.update("6.2")
    assert world.build().kernel_release == "6.1"


def as_schema_1(image: Image) -> None:
    """Lay an image out as it was before its kernel was a part of its own."""
    part = image.boot
    said = msgspec.to_builtins(image.manifest)
    for name in ("name", "origin", "kernel", "no_guest"):
        del said[name]
    own = (part.manifest.release, part.manifest.version)
    asked = (*builder._asked(HOST, (SOURCE,), None), own)
    said |= {
        "schema": 1,
        "recipe": hashlib.sha256(msgspec.json.encode(asked)).hexdigest(),
        "kernel_release": part.manifest.release,
        "kernel_package": part.manifest.package,
        "kernel_version": part.manifest.version,
        "boot_key": part.manifest.boot_key,
    }
    for name in ("kernel", "vmlinux", "initramfs"):
        (part.folder / name).rename(image.folder / name)
    (image.folder / "manifest.json").write_text(json.dumps(said))


def test_an_image_of_before_keeps_working(world: World) -> None:
    as_schema_1(world.build())
    old = world.build()
    assert old.manifest.schema == 1
    assert old.kernel.is_file()
    world.update("6.2")
    renewed = world.build()
    assert (renewed.manifest.schema, renewed.kernel_release) == (2, "6.2")
    assert old.kernel.is_file()
    assert world.trees_made == 1


def test_the_boot_files_of_an_image_of_before_are_renewed_in_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_schema_1(world.build())
    monkeypatch.setattr("benchmarks.image.boot.key", lambda _: "other")
    renewed = world.build()
    assert renewed.manifest.schema == 2
    assert renewed.initramfs == renewed.folder / "initramfs"
    assert store.load(renewed.folder) == renewed
    assert world.trees_made == 1


def test_the_same_file_under_another_version_is_taken_in_once(world: World) -> None:
    """As after a start with a kernel whose file was there already when the image was made."""
    before = world.build()
    assert world.own is not None
    world.own = dataclasses.replace(world.own, version="#2 after the start")
    after = world.build()
    assert kernel(after) == kernel(before)
    said: list[str] = []
    assert build(world.cache, progress=said.append) == after
    assert said == []


def test_verifying_tells_a_kernel_that_was_written_to(world: World) -> None:
    image = world.build()
    store.verify(image)
    image.kernel.write_bytes(b"changed")
    with pytest.raises(ImageDamagedError, match=r"was changed after .*/kernel is now"):
        store.verify(image)
