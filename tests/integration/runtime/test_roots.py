"""An engine under every kind of root: shared, slave or private, a real one or a plain chroot.

systemd makes `/` shared on every host it boots; a container's is a slave or private.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

PROJECT = Path(__file__).resolve().parents[3]
PACKAGES = Path(platformdirs.__file__).parents[1]
#: Runs a container, and tells what it printed and what its mount namespace looked like around it.
HARNESS = """
import json, os, sys
from pathlib import Path
from runtime import Engine, profiles
home = Path(sys.argv[1])
spec = profiles.default(rootfs=home / "tiny", args=["echo", "it ran"])
mounts = Path("/proc/self/mountinfo")
seen = [mounts.read_text()]
ours, theirs = os.pipe()
with Engine(home / "state") as engine:
    with engine.run(spec, stdio=(0, theirs, theirs)) as container:
        status = container.wait(20)
    seen.append(mounts.read_text())
seen.append(mounts.read_text())
os.close(theirs)
said = os.read(ours, 4096).decode()
print(json.dumps({"status": status, "said": said, "mounts": seen}))
"""
PROPAGATIONS = {
    "private": "mount --make-rprivate / &&",
    "shared": "mount --make-rshared / &&",
    "slave": "mount --make-rshared / && unshare --mount --propagation slave",
}
ROOTS = {
    "real": "",
    # no mount of its own: a folder in which everything of the host's root is bound
    "chroot": """
        mkdir "$HOME/up" && mount -t tmpfs up "$HOME/up" && mkdir "$HOME/up/root" || exit 1
        for entry in $(ls -A /); do
            target=$HOME/up/root/$entry
            if [ -L "/$entry" ]; then cp -d "/$entry" "$target"
            elif [ -d "/$entry" ]; then mkdir "$target" && mount --bind "/$entry" "$target"; fi
        done
        for entry in proc sys dev; do mount --rbind "/$entry" "$HOME/up/root/$entry"; done
        set -- chroot "$HOME/up/root" "$@"
    """,
}
MARKS = {"private": (), "shared": ("shared:",), "slave": ("master:",)}


def run(home: Path, propagation: str, root: str) -> dict[str, object]:
    """Run the harness in a mount namespace of its own; what it says."""
    inner = f'{ROOTS[root]}\nexec "$@"'
    # a shell that stays: without a member of its own, the master's group would end
    outer = f'{PROPAGATIONS[propagation]} sh -c "$INNER" sh "$@"; exit $?'
    python = str(Path(sys.executable).resolve())
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", outer, "sh", python, "-c", HARNESS, str(home)],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "INNER": inner,
             "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": f"{PROJECT}:{PACKAGES}",
             "XDG_CACHE_HOME": str(home / "cache")},
        capture_output=True, text=True, check=False, timeout=120, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said: dict[str, object] = json.loads(done.stdout)
    return said


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("propagation", PROPAGATIONS)
def test_it_runs_and_changes_no_mount(
    tmp_path: Path, tiny: Path, propagation: str, root: str
) -> None:
    assert tiny.is_dir()
    host = Path("/proc/self/mountinfo").read_text()
    found = run(tmp_path, propagation, root)
    assert found["said"] == "it ran\n"
    assert found["status"] == 0
    before, during, after = map(str, found["mounts"])  # type: ignore[call-overload]
    assert before == during == after
    assert all(mark in before for mark in MARKS[propagation])
    assert ("shared:" in before) == (propagation == "shared")
    points = [line.split()[4] for line in before.splitlines()]
    assert ("/" in points) == (root == "real")  # a plain chroot is no mount point
    assert Path("/proc/self/mountinfo").read_text() == host
