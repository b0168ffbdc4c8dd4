"""Every way a build can fail ends in one sentence and leaves nothing in the cache."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from collections import namedtuple
from pathlib import Path

import pytest

from benchmarks.image import builder, kernel, store, tools
from benchmarks.image.builder import build
from benchmarks.image.errors import (
    BuildError,
    DiskFullError,
    MirrorMissingError,
    MissingToolError,
    NetworkDownError,
    NotRootError,
    ToolFailedError,
    WrongHostError,
)
from benchmarks.image.sources import Host, Source
from tests.unit.benchmarks.image import stand_ins
from tests.unit.benchmarks.image.stand_ins import write

SOURCE = Source(("http://mirror.example",), ("trixie",), ("main",), "/debian-archive-keyring")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of programs that succeed at nothing; the enclosure is left out (it needs root)."""
    folder = tmp_path / "bin"
    stand_ins.programs(folder)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(builder, "read_host", lambda: Host("debian", "trixie"))
    monkeypatch.setattr(builder, "read_sources", lambda _: (SOURCE,))
    return folder


def fail_with(folder: Path, program: str, text: str) -> None:
    write(folder / program, f"echo '{text}' >&2; exit 25")


def left_in(cache: Path) -> list[Path]:
    return [path for path in (cache / "images").iterdir() if path.name != ".lock"]


@pytest.mark.parametrize(
    ("said", "error", "sentence"),
    [
        ("tar: write error: No space left on device", DiskFullError, "the disk is full"),
        (
            "W: Failed to fetch http://m/ Temporary failure resolving m",
            NetworkDownError,
            "a package mirror cannot be reached",
        ),
        (
            "E: Could not connect to m:80 (1.2.3.4), connection timed out",
            NetworkDownError,
            "a package mirror cannot be reached",
        ),
        (
            "E: The repository http://m trixie does not have a Release file.",
            MirrorMissingError,
            "a mirror lacks what was asked for",
        ),
        ("E: 404  Not Found [IP: 1.2.3.4 80]", MirrorMissingError, "a mirror lacks"),
        (
            "unshare: unshare failed: Operation not permitted",
            ToolFailedError,
            "may make no namespaces",
        ),
        ("E: chroot went up in smoke", ToolFailedError, "with status 25: E: chroot went up"),
    ],
)
def test_mmdebstrap_failures(
    programs: Path, tmp_path: Path, said: str, error: type[BuildError], sentence: str
) -> None:
    fail_with(programs, "mmdebstrap", said)
    with pytest.raises(error, match=sentence) as caught:
        build(tmp_path)
    assert "while making the tree" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert left_in(tmp_path) == []
    assert said in (tmp_path / "image-build.log").read_text(encoding="utf-8")


def test_full_disk_is_noticed_before_the_work(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(programs / "mmdebstrap", "touch /tmp/never")
    usage = namedtuple("usage", "total used free")  # noqa: PYI024  # shutil's own is private
    monkeypatch.setattr(builder.shutil, "disk_usage", lambda _: usage(2**30, 2**30, 5 << 20))
    with pytest.raises(DiskFullError, match=r"needs 800 MiB .* 5 MiB are free"):
        build(tmp_path)
    assert left_in(tmp_path) == []


@pytest.mark.usefixtures("programs")
def test_full_disk_in_a_step_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/cache/tree")

    monkeypatch.setattr(builder.tree, "bootstrap", full)
    with pytest.raises(DiskFullError, match="the disk is full"):
        build(tmp_path)
    assert left_in(tmp_path) == []


def test_missing_tool_names_its_package(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (programs / "mkfs.erofs").unlink()
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(MissingToolError, match=r"mkfs\.erofs not found; .* erofs-utils$"):
        build(tmp_path)


@pytest.mark.usefixtures("programs")
def test_a_host_of_another_architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(WrongHostError, match="on x86-64 and arm64, not on riscv64"):
        build(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("programs")
def test_without_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NotRootError, match="needs root"):
        build(tmp_path)


@pytest.mark.usefixtures("programs")
def test_source_that_is_no_root_file_system(tmp_path: Path) -> None:
    with pytest.raises(ToolFailedError, match="holds no root file system"):
        build(tmp_path / "cache", source=tmp_path)
    assert left_in(tmp_path / "cache") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_interrupted_build_leaves_nothing(programs: Path, tmp_path: Path, number: int) -> None:
    write(programs / "mmdebstrap", "echo started; exec sleep 60")
    script = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        from benchmarks.image import builder, ImageError
        from benchmarks.image.sources import Host, Source
        os.geteuid = lambda: 0
        builder.read_host = lambda: Host("debian", "trixie")
        builder.read_sources = lambda _: (Source(("http://m",), ("trixie",), ("main",), "k"),)
        try:
            builder.build(Path(sys.argv[1]), progress=lambda said: print(said, flush=True))
        except (ImageError, KeyboardInterrupt) as error:
            print(type(error).__name__, error)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        assert "mmdebstrap" in child.stdout.readline()
        assert len(left_in(tmp_path)) == 1
        child.send_signal(number)
        said = child.stdout.read()
        assert child.wait(60) == 0
    expected = "KeyboardInterrupt" if number == signal.SIGINT else "BuildInterruptedError"
    assert said.startswith(expected)
    assert left_in(tmp_path) == []


def test_kernel_packages_are_followed_through_their_dependencies(
    programs: Path, tmp_path: Path
) -> None:
    write(
        programs / "apt-cache",
        textwrap.dedent("""\
            case "$2" in
            linux-image-kvm) echo 'E: No packages found' >&2; exit 100 ;;
            linux-image-virtual) echo '  Depends: linux-image-6.8.0-1-generic' ;;
            linux-image-6.8.0-1-generic)
                echo '  Depends: kmod'; echo '  Depends: linux-modules-6.8.0-1-generic' ;;
            esac"""),
    )
    packages = kernel.resolve([], Host("ubuntu", "noble"), tmp_path / "log")
    assert packages == ["linux-image-6.8.0-1-generic", "linux-modules-6.8.0-1-generic"]


@pytest.mark.parametrize(
    ("machine", "distribution", "names"),
    [
        ("x86_64", "debian", ("linux-image-cloud-amd64", "linux-image-amd64")),
        ("aarch64", "debian", ("linux-image-cloud-arm64", "linux-image-arm64")),
        ("aarch64", "ubuntu", ("linux-image-kvm", "linux-image-virtual")),
    ],
)
def test_the_kernel_is_of_the_host_s_architecture(
    machine: str, distribution: str, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert kernel.meta_packages(Host(distribution, "trixie")) == names


@pytest.mark.usefixtures("programs")
def test_no_kernel_offered(tmp_path: Path) -> None:
    with pytest.raises(MirrorMissingError, match=r"offer no guest kernel .linux-image-cloud-amd64"):
        kernel.resolve([], Host("debian", "trixie"), tmp_path / "log")


def test_recipe_depends_on_what_is_asked_for() -> None:
    host, other = Host("debian", "trixie"), Host("debian", "forky")
    assert builder.recipe_of(host, (SOURCE,)) == builder.recipe_of(host, (SOURCE,))
    assert builder.recipe_of(host, (SOURCE,)) != builder.recipe_of(other, (SOURCE,))
    assert builder.recipe_of(host, (SOURCE,)) != builder.recipe_of(host, ())


def test_unknown_os_error_names_the_path() -> None:
    error = tools.explain_os_error("writing", PermissionError(errno.EACCES, "Denied", "/x"))
    assert str(error) == "image build failed while writing on /x: Denied"
    assert store.PARTIAL.startswith(".")


def test_a_host_without_apt_hears_of_importing(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mmdebstrap", "apt-get"):
        (programs / name).unlink()
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(MissingToolError, match=r"mmdebstrap, apt-get not found; .* tare image imp"):
        build(tmp_path)


def test_under_sudo_an_unreachable_mirror_is_told_with_the_proxy(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    fail_with(programs, "mmdebstrap", "E: Could not connect to m:80")
    with pytest.raises(NetworkDownError) as without:
        build(tmp_path)
    assert "preserve-env" not in str(without.value)
    monkeypatch.setenv("SUDO_USER", "somebody")
    with pytest.raises(NetworkDownError, match=r"sudo --preserve-env=http_proxy,https_proxy"):
        build(tmp_path)
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    with pytest.raises(NetworkDownError) as told:
        build(tmp_path)
    assert "preserve-env" not in str(told.value)
