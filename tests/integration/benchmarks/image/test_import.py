"""What others made is taken in as it is, and nothing of it reaches the host."""

import bz2
import gzip
import hashlib
import io
import lzma
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from benchmarks.image import Image, ImageError, build, export, import_image, own_kernel, store
from benchmarks.image.digest import tree_digest
from benchmarks.image.errors import BadArchiveError, MissingToolError, NoGuestError
from tests.unit.benchmarks.image.stand_ins import GZIP, Layout, plant_kernel

type Entry = tuple[str, bytes | str | None]
"""A name, and a file's content, a link's target (``hard:`` before it), or None for a directory."""

BASE: tuple[Entry, ...] = (
    ("usr/bin", None),
    ("usr/bin/tool", b"tool"),
    ("bin", "usr/bin"),
    ("etc", None),
    ("etc/os-release", b"ID=example\nVERSION_CODENAME=first\n"),
)


def archive(
    entries: Iterable[Entry], change: Callable[[tarfile.TarInfo], None] | None = None
) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as made:
        for name, content in entries:
            member = tarfile.TarInfo(name)
            member.mode, member.mtime = 0o644, 1_600_000_000
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                hard = content.startswith("hard:")
                member.type = tarfile.LNKTYPE if hard else tarfile.SYMTYPE
                member.linkname = content.removeprefix("hard:")
            else:
                member.size = len(content)
            if change is not None:
                change(member)
            made.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return raw.getvalue()


def layered(folder: Path, *layers: Iterable[Entry]) -> Path:
    layout = Layout(folder)
    packed = [archive(layer) for layer in layers]
    digests = [f"sha256:{hashlib.sha256(one).hexdigest()}" for one in packed]
    blobs = [layout.blob(gzip.compress(one), GZIP) for one in packed]
    return layout.index(layout.image(*blobs, digests=digests))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache on a host that has no kernel's file."""
    monkeypatch.setattr(own_kernel, "find", lambda: None)
    return tmp_path / "cache"


@pytest.fixture
def take(cache: Path, tmp_path: Path) -> Callable[..., Image]:
    def take(entries: Iterable[Entry], change: object = None, name: str = "made") -> Image:
        path = tmp_path / "made.tar"
        path.write_bytes(archive(entries, change))  # type: ignore[arg-type]
        return import_image(str(path), name=name, cache=cache)

    return take


PACKERS = {"tar": bytes, "gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}


@pytest.mark.parametrize("form", [*PACKERS, "zst"])
def test_an_archive_of_any_form_is_taken_in(cache: Path, tmp_path: Path, form: str) -> None:
    path = tmp_path / ("made.tar" if form == "tar" else f"made.tar.{form}")
    if form == "zst":  # of which Python knows nothing before 3.14
        path.with_suffix("").write_bytes(archive(BASE))
        subprocess.run(["zstd", "-q", path.with_suffix("")], check=True)
    else:
        path.write_bytes(PACKERS[form](archive(BASE)))
    image = import_image(str(path), cache=cache)
    assert (image.root / "usr/bin/tool").read_bytes() == b"tool"
    assert image.manifest.distribution == "example"
    assert image.manifest.name == "made"
    assert store.find("made", cache) == image
    assert image.digest == tree_digest(image.root)


def test_owners_modes_times_links_and_capabilities_are_kept(take: Callable[..., Image]) -> None:
    def change(member: tarfile.TarInfo) -> None:
        if member.name == "usr/bin/tool":
            member.uid, member.gid, member.mode = 12, 34, 0o4755
        if member.name == "usr/bin/ping":
            capability = bytes.fromhex("0100000200200000000000000000000000000000")
            member.pax_headers = {"SCHILY.xattr.security.capability": capability.decode()}

    more = (("usr/bin/ping", b"p"), ("usr/bin/same", "hard:usr/bin/tool"), ("d", "nowhere"))
    image = take((*BASE, *more), change)
    tool = (image.root / "usr/bin/tool").stat()
    assert (tool.st_uid, tool.st_gid, stat.S_IMODE(tool.st_mode)) == (12, 34, 0o4755)
    assert tool.st_mtime == 1_600_000_000
    assert (image.root / "usr/bin/same").stat().st_ino == tool.st_ino
    assert (image.root / "d").is_symlink()
    assert os.getxattr(image.root / "usr/bin/ping", "security.capability")


def test_nothing_is_written_outside(take: Callable[..., Image], tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    image = take(
        (
            *BASE,
            ("../../../escaped-by-dots", b"x"),
            (f"{outside}/escaped-by-root", b"x"),
            ("absolute", str(outside)),
            ("absolute/escaped-by-link", b"x"),
            ("relative", "../" * 20 + str(outside).lstrip("/")),
            ("relative/escaped-by-dots", b"x"),
            ("absolute/.wh.kept", b""),
            ("absolute/.wh..wh..opq", b""),
        ),
    )
    assert [path.name for path in outside.iterdir()] == ["kept"]
    assert not list(tmp_path.parent.glob("escaped*"))
    assert (image.root / "escaped-by-dots").is_file()
    assert (image.root / str(outside).lstrip("/") / "escaped-by-root").is_file()


def test_a_hard_link_to_the_host_finds_nothing(take: Callable[..., Image]) -> None:
    with pytest.raises(BadArchiveError, match=r"cannot be imported: .*No such file"):
        take((*BASE, ("stolen", "hard:/etc/hostname-of-the-host")))


def test_device_nodes_are_left_out(take: Callable[..., Image]) -> None:
    def change(member: tarfile.TarInfo) -> None:
        if member.name == "dev/sda":
            member.type, member.devmajor, member.devminor = tarfile.BLKTYPE, 8, 0
        if member.name == "pipe":
            member.type = tarfile.FIFOTYPE

    image = take((*BASE, ("dev/sda", None), ("pipe", None)), change)
    assert not (image.root / "dev/sda").exists()
    assert stat.S_ISFIFO((image.root / "pipe").stat().st_mode)


def test_what_sandboxes_need_is_added_and_nothing_else_changed(take: Callable[..., Image]) -> None:
    image = take(BASE)
    for name in ("dev", "proc", "run", "sys", "tmp"):
        assert (image.root / name).is_dir()
    said = subprocess.run(
        ["chroot", image.root, "/bin/busybox", "echo", "it runs"], capture_output=True, check=True
    )
    assert said.stdout == b"it runs\n"
    again = take((*BASE, ("usr/bin/busybox", b"its own")))
    assert (again.root / "usr/bin/busybox").read_bytes() == b"its own"


def test_a_host_and_an_image_without_busybox_are_told(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("setpriv", "unshare", "cp", "mount", "sh", "mkfs.erofs"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    path = tmp_path / "made.tar"
    path.write_bytes(archive(BASE))
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(MissingToolError, match=r"has no /bin/busybox, .* install busybox-static"):
        import_image(str(path), cache=cache)
    assert store.list(cache) == ()


def test_layers_are_applied_as_the_specification_says(cache: Path, tmp_path: Path) -> None:
    lower: tuple[Entry, ...] = (
        *BASE,
        ("gone", b"x"),
        ("gone-too", None),
        ("gone-too/inside", b"x"),
        ("emptied", None),
        ("emptied/old", b"x"),
        ("emptied/deep", None),
        ("emptied/deep/old", b"x"),
        ("changes", b"a file"),
        ("lib", "usr/lib"),
        ("usr/lib", None),
    )
    upper: tuple[Entry, ...] = (
        (".wh.gone", b""),
        (".wh.gone-too", b""),
        ("emptied/new", b"new"),  # before the whiteout, which is of the layers below alone
        ("emptied/deep", None),
        ("emptied/deep/new", b"new"),
        ("emptied/.wh..wh..opq", b""),
        ("changes", None),
        ("changes/now", b"a directory"),
        ("lib/library", b"through the link"),
        (".wh..wh.plnk", None),
    )
    image = import_image(str(layered(tmp_path / "oci", lower, upper)), cache=cache)
    root = image.root
    assert not (root / "gone").exists()
    assert not (root / "gone-too").exists()
    assert {path.name for path in (root / "emptied").iterdir()} == {"new", "deep"}
    assert {path.name for path in (root / "emptied/deep").iterdir()} == {"new"}
    assert (root / "changes/now").is_file()
    assert (root / "usr/lib/library").is_file()
    assert not list(root.rglob(".wh.*"))


def test_a_layer_that_is_not_the_configuration_s_is_refused(cache: Path, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "oci")
    layer = layout.blob(gzip.compress(archive(BASE)), GZIP)
    folder = layout.index(layout.image(layer, digests=[f"sha256:{'0' * 64}"]))
    with pytest.raises(BadArchiveError, match="is not what the image's configuration says"):
        import_image(str(folder), cache=cache)
    assert store.list(cache) == ()
    assert store.leftovers(cache) == ()


@pytest.mark.parametrize("cut", [1, 600, 1500])
def test_a_damaged_archive_is_one_sentence(cache: Path, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "made.tar.gz"
    packed = gzip.compress(archive((*BASE, ("noise", os.urandom(4000)))))
    path.write_bytes(packed[:-cut])
    with pytest.raises(BadArchiveError) as caught:
        import_image(str(path), cache=cache)
    assert "\n" not in str(caught.value)
    assert store.leftovers(cache) == ()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("/nowhere", "there is no /nowhere"),
        ("/etc/passwd", "is no tar archive"),
        ("docker-archive:/nowhere", "takes skopeo|while copying the image"),
    ],
)
def test_what_is_no_image_is_one_sentence(cache: Path, source: str, sentence: str) -> None:
    with pytest.raises(ImageError, match=sentence):
        import_image(source, cache=cache)


def test_a_name_moves_to_the_image_that_takes_it(take: Callable[..., Image], cache: Path) -> None:
    first = take(BASE, name="web:1")
    second = take((*BASE, ("more", b"x")), name="web:1")
    assert store.find("web:1", cache) == second
    assert store.find(first.digest, cache).manifest.name == ""
    assert store.remove("web:1", cache) == second


def test_an_image_without_a_kernel_starts_no_guest(take: Callable[..., Image]) -> None:
    image = take(BASE)
    with pytest.raises(NoGuestError, match=r"has no kernel: .* --kernel and --modules"):
        image.check_guest()


def test_the_kernel_that_is_named_is_the_guest_s(cache: Path, tmp_path: Path) -> None:
    planted = plant_kernel(tmp_path / "elsewhere", "6.1-mine")
    path = tmp_path / "made.tar"
    path.write_bytes(archive(BASE))
    kernel = own_kernel.given(planted.image, planted.modules)
    image = import_image(str(path), kernel=kernel, cache=cache)
    image.check_guest()
    assert image.kernel_release == "6.1-mine"
    assert image.boot.manifest.pinned
    assert image.initramfs.is_file()


def test_a_directory_is_copied_and_left_as_it_was(cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "root"
    (folder / "usr" / "bin").mkdir(parents=True)
    (folder / "usr" / "bin" / "tool").write_text("tool")
    image = import_image(str(folder), cache=cache)
    assert (image.root / "usr/bin/tool").read_text() == "tool"
    assert sorted(path.name for path in folder.rglob("*")) == ["bin", "tool", "usr"]


def test_an_exported_image_comes_back_the_same_where_nothing_can_be_built(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, cache = tmp_path / "image.tar", tmp_path / "cache"
    export(image.digest, out)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("setpriv", "unshare", "cp", "mount", "sh", "mkfs.erofs", "zstd"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(programs))
    taken = import_image(str(out), name="theirs", cache=cache)
    assert taken.digest == image.digest
    # an image in the cache that an older release has made names no digest of its kernel
    assert image.boot.manifest.digest in {taken.boot.manifest.digest, None}
    assert taken.kernel_release == image.kernel_release
    assert taken.packages == image.packages
    assert taken.manifest.recipe == image.manifest.recipe
    assert taken.block.read_bytes() == image.block.read_bytes()
    assert taken.initramfs.read_bytes() == image.initramfs.read_bytes()
    store.verify(taken)
    # podman's and skopeo's oci-archive
    with tarfile.open(out) as packed:
        names = packed.getnames()
    assert {"oci-layout", "index.json"} < set(names)
    monkeypatch.undo()
    steps: list[str] = []
    assert build(cache, progress=steps.append).digest == taken.digest
    assert steps == []  # found by its recipe, not made again
