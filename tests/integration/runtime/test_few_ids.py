"""An engine of root in a user namespace of few ids, as in Incus, LXC or rootless podman."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

PROJECT = Path(__file__).resolve().parents[3]
PACKAGES = Path(platformdirs.__file__).parents[1]
HARNESS = """
import os, subprocess, sys
from pathlib import Path
home, count = Path(sys.argv[1]), sys.argv[2]
ours, theirs = os.pipe()
ready, go = os.pipe()
child = os.fork()
if child:
    os.read(ours, 1)
    for name in ("uid", "gid"):
        Path(f"/proc/{child}/{name}_map").write_text(f"0 0 {count}")
    os.write(go, b"g")
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNS | os.CLONE_NEWPID | os.CLONE_NEWNET)
os.write(theirs, b"r")
os.read(ready, 1)
inner = os.fork()
if inner:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]))
subprocess.run(["mount", "-t", "proc", "proc", "/proc"], check=True)
from runtime import Engine, profiles
script = "cat /proc/self/uid_map; id; touch /made /root/made; ls -ln /made; echo hello > /bin/new"
spec = profiles.default(rootfs=home / "tiny", args=["sh", "-c", script])
with Engine(home / "state") as engine:
    with engine.run(spec, stdio=(0, 1, 1)) as container:
        print("status", container.wait(20), flush=True)
    print("notes:", *engine.notes)
"""


@pytest.mark.parametrize("count", [65536, 1000])
def test_containers_get_the_ids_that_there_are(tmp_path: Path, tiny: Path, count: int) -> None:
    (tiny / "root").mkdir()
    (tiny / "bin/touch").hardlink_to(tiny / "bin/busybox")
    done = subprocess.run(
        [sys.executable, "-c", HARNESS, str(tmp_path), str(count)],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1",
             "PYTHONPATH": f"{PROJECT}:{PACKAGES}"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    text = done.stdout + done.stderr
    assert "status 0" in text, text
    assert text.split()[:3] == ["0", "0", str(count)]
    assert "uid=0 gid=0" in text
    assert f"this user namespace has {count} ids" in text
    assert not list((tmp_path / "state").iterdir())
    assert not (tiny / "made").exists()
