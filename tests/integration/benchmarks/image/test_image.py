"""A real image: whole, the same bytes in every form, and never half there."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.image import Image, build, builder, store
from benchmarks.image.digest import tree_digest
from benchmarks.image.errors import ImageInUseError, MirrorMissingError, NetworkDownError
from benchmarks.image.sources import Source

TOOLS = ("sysbench", "fio", "iperf3", "stress-ng", "redis-server", "sqlite3", "python3", "busybox")
# Mounts made inside stay inside. In a plain chroot "/" is no mount point and cannot be made
# private; unshare(1) alone would fail there.
PRIVATE_MOUNTS = ("unshare", "--mount", "--propagation", "unchanged", "sh", "-c")
PRIVATE_MOUNTS += ('mount --make-rprivate / 2>/dev/null; exec "$@"', "sh")


def test_every_part_is_there(image: Image) -> None:
    for path in (image.block, image.kernel, image.vmlinux, image.initramfs, image.busybox):
        assert path.stat().st_size > 100_000, path
    assert (image.modules / "modules.dep").is_file()
    assert image.modules.name == image.kernel_release
    assert "sysbench" in image.packages
    assert image.vmlinux.read_bytes()[:4] == b"\x7fELF"


def test_tools_are_in_the_tree_and_run(image: Image) -> None:
    for tool in TOOLS:
        assert shutil.which(tool, path=f"{image.root}/usr/bin"), tool
    said = subprocess.run(
        ["chroot", image.root, "sysbench", "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith("sysbench 1.")


def test_image_carries_nothing_of_this_host(image: Image) -> None:
    assert (image.root / "etc" / "hostname").read_text(encoding="utf-8") == "tare\n"
    assert not any((image.root / "etc" / "apt" / "sources.list.d").iterdir())
    assert not any((image.root / "dev").iterdir())


def test_block_image_holds_the_very_same_tree(image: Image, tmp_path: Path) -> None:
    subprocess.run(
        ["fsck.erofs", f"--extract={tmp_path / 'tree'}", image.block],
        check=True,
        capture_output=True,
    )
    assert tree_digest(tmp_path / "tree") == image.digest


def test_nothing_has_written_to_the_tree(image: Image) -> None:
    store.verify(image)


def test_second_build_takes_the_cached_image(image: Image) -> None:
    said: list[str] = []
    assert build(progress=said.append) == image
    assert said == []


@pytest.mark.parametrize("linked", [False, True])
def test_image_in_use_is_not_removed(image: Image, tmp_path: Path, *, linked: bool) -> None:
    """An overlay in a mount namespace of its own, as a container has it."""
    cache = image.folder.parents[1]
    if linked:
        cache = tmp_path / "link"
        cache.symlink_to(image.folder.parents[1])
    root = cache / "images" / image.folder.name / "tree"
    own = tmp_path / "own"
    own.mkdir()
    script = (
        f"mount -t tmpfs none {own} && mkdir {own}/u {own}/w {own}/m && "
        f"mount -t overlay none {own}/m "
        f"-o lowerdir={root},upperdir={own}/u,workdir={own}/w && echo ready && cat"
    )
    with subprocess.Popen(
        [*PRIVATE_MOUNTS, "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as user:
        assert user.stdout
        assert user.stdout.readline() == "ready\n"
        with pytest.raises(ImageInUseError, match="is in use"):
            store.remove(image.digest, cache)
        assert user.stdin
        user.stdin.close()
    assert store.find(image.digest) == image


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_interrupted_build_leaves_no_image_and_no_process(tmp_path: Path, number: int) -> None:
    script = (
        "import sys; from pathlib import Path; from benchmarks.image import build\n"
        "build(Path(sys.argv[1]), progress=lambda said: print(said, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout
        child.stdout.readline()
        tree = _wait_for(tmp_path / "images", ".partial-*/tree/var/lib/dpkg/status")
        child.send_signal(number)
        child.wait(20)
    assert store.list(tmp_path) == ()
    _wait_until_unused(tree)
    with store.locked(tmp_path):
        assert store.leftovers(tmp_path) == ()


def _wait_for(folder: Path, pattern: str) -> Path:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := next(folder.glob(pattern), None):
            return found
        time.sleep(0.05)
    pytest.fail(f"{pattern} did not appear in {folder}")


def _wait_until_unused(path: Path) -> None:
    deadline = time.monotonic() + 5
    while users := _users_of(path):
        assert time.monotonic() < deadline, users
        time.sleep(0.05)


def _users_of(path: Path) -> list[str]:
    """Command lines of the processes that name the build's folder."""
    partial = os.fsencode(next(p for p in path.parents if p.name.startswith(store.PARTIAL)))
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = cmdline.read_bytes()
        except OSError:
            continue
        if partial in text:
            found.append(text.decode(errors="replace"))
    return found


def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """On a real file system too small for the tree, with the check beforehand out of the way."""
    script = f"""
import subprocess, sys
from pathlib import Path
from benchmarks.image import builder, ImageError
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m", "none", "{tmp_path}"], check=True)
builder.NEEDED_BYTES = 0
try:
    builder.build(Path("{tmp_path}"))
except ImageError as error:
    print(type(error).__name__, error)
print(sorted(path.name for path in Path("{tmp_path}/images").iterdir()))
"""
    done = subprocess.run(
        [*PRIVATE_MOUNTS, sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    said, left = done.stdout.splitlines()
    assert said.startswith("DiskFullError image build failed while making the tree: the disk is")
    assert left == "['.lock']"


def test_a_build_leaves_the_host_s_mounts_as_they_were(tmp_path: Path) -> None:
    """On a shared root, with an mmdebstrap that does to it what the real one does."""
    stand_in = tmp_path / "mmdebstrap"
    stand_in.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && exit 0\n'
        f"mount --make-rprivate / && mount -t tmpfs none {tmp_path}\n"
        "[ $? = 0 ] && echo E: as told >&2\nexit 1\n"
    )
    stand_in.chmod(0o755)
    script = f"""
import sys
from pathlib import Path
from benchmarks.image import tree
from benchmarks.image.errors import ToolFailedError
from benchmarks.image.sources import Host, Source
def table():
    return [line.split(" - ")[0].split(" ", 3)[3] for line in open("/proc/self/mountinfo")]
before = table()
try:
    tree.bootstrap(Path("{tmp_path}/tree"), Host("debian", "trixie"),
        (Source(("http://m",), ("trixie",), ("main",), "k"),), log=Path("{tmp_path}/log"))
except ToolFailedError as error:
    print(error)
print(any("shared:" in line for line in before), table() == before)
"""
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c",
         'mount --make-rshared / 2>/dev/null || exit 77; exec "$@"', "sh",
         sys.executable, "-c", script],
        capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip
    if done.returncode == 77:
        pytest.skip("here / is no mount point, and has no propagation")
    said, told = done.stdout.splitlines()
    assert "E: as told" in said, done.stderr
    assert told == "True True"


def _only_mirror(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source((address,), ("trixie",), ("main",), trusted=True)
    monkeypatch.setattr(builder, "read_sources", lambda _: (source,))


def test_unreachable_mirror_is_named_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real apt against a closed port of this host."""
    _only_mirror("http://127.0.0.1:9/debian", monkeypatch)
    with pytest.raises(NetworkDownError, match="mirror cannot be reached"):
        build(tmp_path)
    assert store.list(tmp_path) == ()


def test_mirror_without_the_suite_is_named_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real apt against a server that holds nothing."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "empty").mkdir()
    serve = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "empty"))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            _only_mirror(f"http://127.0.0.1:{server.server_port}/debian", monkeypatch)
            with pytest.raises(MirrorMissingError, match="a mirror lacks what was asked for"):
                build(tmp_path / "cache")
        finally:
            server.shutdown()
            thread.join()
    assert store.leftovers(tmp_path / "cache") == ()
