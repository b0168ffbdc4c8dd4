"""The carrier of a guest's output, run on the host's own kernel."""

import os
import platform
import subprocess
from pathlib import Path

import pytest

from vmdriver.guest import carry


def test_the_bytes_are_those_of_the_source(tmp_path: Path) -> None:
    source = Path(carry.__file__).with_name("carry.S")
    made, code = tmp_path / "carry.o", tmp_path / "carry.bin"
    subprocess.run(["as", "--64", "-o", made, source], check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", made, code], check=True)
    assert code.read_bytes() == carry.CODE


@pytest.mark.skipif(platform.machine() != "x86_64", reason="it is x86-64 machine code")
def test_everything_arrives_in_its_order_and_an_end_is_one(tmp_path: Path) -> None:
    program = tmp_path / "carry"
    program.write_bytes(carry.program())
    program.chmod(0o755)
    content = os.urandom(1 << 20) + b"odd"
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        out, _ = process.communicate(content, timeout=30)
    assert out == content
    assert process.returncode == 1  # a guest's pipe never ends
