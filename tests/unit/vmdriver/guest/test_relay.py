"""The carrier of a guest's output, run on the host's own kernel."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from vmdriver.architecture import AARCH64, ARCHITECTURES, X86_64
from vmdriver.guest import relay

CROSS = "aarch64-linux-gnu-"
HOST = platform.machine()


@pytest.mark.parametrize(
    ("source", "prefix", "options", "expected"),
    [
        pytest.param(
            *("relay.S", "", ["--64"], relay.CODE),
            marks=pytest.mark.skipif(
                HOST != "x86_64", reason="this host's assembler is another architecture's"
            ),
        ),
        pytest.param(
            *("relay_aarch64.S", CROSS, [], relay.CODE_AARCH64),
            marks=pytest.mark.skipif(
                shutil.which(f"{CROSS}as") is None, reason=f"there is no {CROSS}as here"
            ),
        ),
    ],
    ids=["x86-64", "arm64"],
)
def test_the_bytes_are_those_of_the_source(
    source: str, prefix: str, options: list[str], expected: bytes, tmp_path: Path
) -> None:
    path = Path(relay.__file__).with_name(source)
    made, code = tmp_path / "relay.o", tmp_path / "relay.bin"
    subprocess.run([f"{prefix}as", *options, "-o", made, path], check=True)
    subprocess.run([f"{prefix}objcopy", "-O", "binary", "-j", ".text", made, code], check=True)
    assert code.read_bytes() == expected


def test_the_program_says_whose_it_is() -> None:
    assert relay.program(X86_64)[18:20] == b"\x3e\0"
    assert relay.program(AARCH64)[18:20] == b"\xb7\0"
    assert relay.program(AARCH64).endswith(relay.CODE_AARCH64)


@pytest.mark.skipif(HOST not in ARCHITECTURES, reason="it is machine code of other hosts")
def test_everything_arrives_in_its_order_and_an_end_is_one(tmp_path: Path) -> None:
    program = tmp_path / "relay"
    program.write_bytes(relay.program(ARCHITECTURES[HOST]))
    program.chmod(0o755)
    content = os.urandom(1 << 20) + b"odd"
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        out, _ = process.communicate(content, timeout=30)
    assert out == content
    assert process.returncode == 1  # a guest's pipe never ends
