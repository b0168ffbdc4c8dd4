"""The micro-guests' bytes are those of their sources."""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from vmdriver.architecture import ARCHITECTURES
from vmdriver.microguest import programs

HOST = platform.machine()
CROSS = "aarch64-linux-gnu-"


@pytest.mark.skipif(HOST != "x86_64", reason="this host's assembler is another architecture's")
def test_the_bytes_are_those_of_the_source(tmp_path: Path) -> None:
    source = Path(programs.__file__).with_name("loop.S")
    subprocess.run(["as", "--32", "-o", tmp_path / "loop.o", source], check=True)
    subprocess.run(
        ["objcopy", "-O", "binary", "-j", ".text", tmp_path / "loop.o", tmp_path / "loop.bin"],
        check=True,
    )
    assert (tmp_path / "loop.bin").read_bytes() == programs.GUEST


@pytest.mark.skipif(shutil.which(f"{CROSS}as") is None, reason=f"there is no {CROSS}as here")
def test_the_bytes_of_arm64_are_those_of_the_source(tmp_path: Path) -> None:
    loop = Path(programs.__file__).with_name("loop_aarch64.S").read_text()
    function = "count: subs w0, w0, #1\n b.ne count\n ret\n"
    for source, code in ((loop, programs.GUEST_AARCH64), (function, programs.NATIVE_AARCH64)):
        made, plain = tmp_path / "made.o", tmp_path / "made.bin"
        subprocess.run([f"{CROSS}as", "-o", made, "-"], input=source.encode(), check=True)
        subprocess.run([f"{CROSS}objcopy", "-O", "binary", "-j", ".text", made, plain], check=True)
        assert plain.read_bytes() == code


def test_every_architecture_has_a_guest_that_counts_the_native_loop() -> None:
    assert list(programs.MICROGUESTS) == list(ARCHITECTURES)
    for guest in programs.MICROGUESTS.values():
        assert len(guest.rom) <= programs.ROM_SIZE
        assert any("chardev=out" in word or "chardev:out" in word for word in guest.arguments)
    backwards = bytes.fromhex("e1ffff54")  # b.ne to the instruction before
    assert backwards in programs.GUEST_AARCH64
    assert backwards in programs.NATIVE_AARCH64


def test_the_rom_ends_with_the_reset_vector() -> None:
    assert len(programs.rom()) == 1 << 16
    assert programs.rom().endswith(programs.GUEST)
