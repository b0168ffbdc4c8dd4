"""Parts of the guest's process 1, run by a busybox on directories that pose as the guest's."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[4] / "vmdriver" / "guest" / "agent.sh"
BUSYBOX = shutil.which("busybox")


def function(name: str, ports: Path) -> str:
    """A shell function of the script, for which the guest's ports are elsewhere."""
    text = SCRIPT.read_text(encoding="utf-8")
    begin = text.index(f"\n{name}() {{")
    body = text[begin : text.index("\n}\n", begin) + 3]
    return body.replace("/sys/class/virtio-ports", str(ports))


@pytest.mark.skipif(BUSYBOX is None, reason="busybox is not installed")
def test_a_port_that_is_named_late_is_found(tmp_path: Path) -> None:
    late = f"mkdir -p {tmp_path}/vport1p2 && echo tare.stamp >{tmp_path}/vport1p2/name"
    (tmp_path / "vport1p1").mkdir()  # one that has no name yet
    code = f"""
fail() {{ echo "$*"; exit 1; }}
{function("port", tmp_path)}
(usleep 200000; {late}) &
port tare.stamp
echo "$device"
"""
    done = subprocess.run(
        [str(BUSYBOX), "sh", "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr) == ("/dev/vport1p2\n", "")
