"""Containers of a user without any privilege, and of one with subordinate ids."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest

from tests.framework.mounted_root import in_own_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image

NOBODY = 65534
PROJECT = Path(__file__).resolve().parents[3]
HARNESS = """
import sys
from pathlib import Path
from runtime import Engine, Resources, SetupError, profiles
home, script = Path(sys.argv[1]), sys.argv[2]
limits = Resources(memory_limit_bytes=1 << 26) if len(sys.argv) > 3 else None
spec = profiles.default(rootfs=home / "root", args=["sh", "-c", script], resources=limits)
with Engine(home / "state") as engine:
    try:
        with engine.run(spec, stdio=(0, 1, 2)) as container:
            print("status", container.wait(20), flush=True)
    except SetupError as error:
        print(error)
    print("notes:", *engine.notes)
"""


@pytest.fixture
def home(image: Image) -> Iterator[Path]:
    """A folder of the user's own, with a small image in it: root's own cannot be searched."""
    folder = Path(tempfile.mkdtemp(prefix="tare-user-", dir="/var/tmp"))
    try:
        (folder / "root/bin").mkdir(parents=True)
        for name in ("busybox", "sh", "id", "cat", "touch", "ls", "chown"):
            shutil.copy(image.root / "bin/busybox", folder / "root/bin" / name)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        yield folder
    finally:
        shutil.rmtree(folder)


def as_user(home: Path, *args: str, before: str = "") -> str:
    """Run the harness as an ordinary user, in a mount namespace of its own; what it prints.

    The project and its packages are shown in the user's folder: they may lie in root's own.
    """
    places = {"project": PROJECT, "packages": Path(platformdirs.__file__).parents[1]}
    for name, source in places.items():
        (home / name).mkdir(exist_ok=True)
        before += f"mount --bind {source} {home}/{name}; "
    user = f"exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --inh-caps=-all"
    python = str(Path(sys.executable).resolve())
    done = subprocess.run(
        in_own_namespace("sh", "-c", f'{before}{user} "$@"', "sh", python, "-c", HARNESS,
                         str(home), *args),
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1",
             "PYTHONPATH": ":".join(str(home / name) for name in places)},
        capture_output=True, text=True, check=False, timeout=120, cwd="/",
    )  # fmt: skip
    return done.stdout + done.stderr


def test_a_user_runs_a_container_and_is_told_what_it_lacks(home: Path) -> None:
    text = as_user(home, "id; touch /made; ls -l /made; cat /proc/self/uid_map; cat /proc/1/status")
    assert "uid=0 gid=0" in text
    assert "status 0" in text
    assert text.split("/made")[1].split()[:3] == ["0", "0", "1"]
    assert "Seccomp:\t2" in text
    assert "NoNewPrivs:\t1" in text
    assert "no range in /etc/subuid" in text
    assert "no control group" in text


def test_a_limit_that_nothing_would_enforce_is_refused(home: Path) -> None:
    text = as_user(home, "id", "limited")
    assert "memory_limit_bytes" in text
    assert "uid=0" not in text


def test_subordinate_ids_become_the_containers_others(home: Path) -> None:
    for name in ("subuid", "subgid"):
        (home / name).write_text(f"{NOBODY}:300000:1000\n")
    bind = "".join(f"mount --bind {home}/{name} /etc/{name}; " for name in ("subuid", "subgid"))
    script = "touch /a; chown 7:7 /a; ls -ln /a; cat /proc/self/uid_map"
    text = as_user(home, script, before=f"[ -e /etc/subuid ] && [ -e /etc/subgid ]; {bind}")
    assert "status 0" in text
    assert " 7        7 " in text
    assert text.split("/a\n")[1].split()[:6] == ["0", "0", "1", "1", "1", "1000"]


def test_nothing_is_left(home: Path) -> None:
    as_user(home, "id")
    assert list((home / "state").iterdir()) == []
