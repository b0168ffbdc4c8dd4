"""Starts of this project's runtime and of others, interleaved, same image and same workload.

Run as a program in a mount namespace of its own (`test_rivals` does): crun refuses the hybrid
cgroup layout unless `/sys/fs/cgroup/unified` is out of its sight. Prints JSON: name to a list of
[asked, first byte of output], CLOCK_MONOTONIC nanoseconds.

The others are started as commands, as their users do; ours by an engine that runs already, which
is how this project uses it. None of the others is asked for a filter or a user namespace, and they
mount the image read-only where ours makes a writable layer: they do less.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import Engine, Resources
from runtime.spec import profiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import Spec

    Start = Callable[[int], tuple[int, int]]

NAMES = (
    "tare", "tare without init", "tare without cgroup", "native",
    "bubblewrap", "crun", "crun without cgroup", "runc",
)  # fmt: skip
PROGRAM = ("/usr/bin/busybox", "echo", "-n", "m")
LIMITS = Resources(memory_limit_bytes=256 << 20, cpus=1.0, pids_limit=512)
_PAUSE_S = 0.03


def ours(engine: Engine, spec: Spec) -> Start:
    """Start by this project's engine."""
    engine.prepare(spec)

    def start(_: int) -> tuple[int, int]:
        reader, writer = os.pipe()
        asked = time.monotonic_ns()
        with engine.run(spec, stdio=(writer, writer, 2)):
            os.close(writer)
            os.read(reader, 1)
            heard = time.monotonic_ns()
            os.close(reader)
        return asked, heard

    return start


def command(*argv: str) -> Start:
    """Start by a command; `ID` in it becomes a fresh name."""

    def start(number: int) -> tuple[int, int]:
        fresh = [part.replace("ID", f"rival-{os.getpid()}-{number}") for part in argv]
        reader, writer = os.pipe()
        asked = time.monotonic_ns()
        with subprocess.Popen(fresh, stdin=subprocess.DEVNULL, stdout=writer) as process:
            os.close(writer)
            byte = os.read(reader, 1)
            heard = time.monotonic_ns()
            os.close(reader)
        if not byte or process.returncode:
            raise RuntimeError(f"{argv[0]} failed with status {process.returncode}")
        return asked, heard

    return start


def bundle(folder: Path, root: Path, *, limited: bool) -> Path:
    """An OCI bundle with crun's default configuration for the same workload."""
    folder.mkdir()
    subprocess.run(["crun", "spec"], cwd=folder, check=True)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["process"] |= {"args": PROGRAM, "terminal": False}
    config["root"] = {"path": str(root), "readonly": True}
    if limited:
        config["linux"]["resources"] = {
            "memory": {"limit": LIMITS.memory_limit_bytes},
            "cpu": {"quota": 100_000, "period": 100_000},
            "pids": {"limit": LIMITS.pids_limit},
        }
    path.write_text(json.dumps(config))
    return folder


def starters(engine: Engine, root: Path, folder: Path) -> dict[str, Start]:
    """Everything that can be measured on this host."""
    spec = profiles.default(rootfs=root, args=PROGRAM, resources=LIMITS)
    without_init = replace(spec, process=replace(spec.process, init=False))
    found = {
        "tare": ours(engine, spec),
        "tare without init": ours(engine, without_init),
        "tare without cgroup": ours(engine, profiles.without(without_init, "cgroup")),
        "native": ours(engine, profiles.native(rootfs=root, args=PROGRAM)),
    }
    if shutil.which("bwrap"):
        found["bubblewrap"] = command(
            "bwrap", "--unshare-all", "--ro-bind", str(root), "/", "--proc", "/proc",
            "--dev", "/dev", *PROGRAM,
        )  # fmt: skip
    if shutil.which("crun"):
        limited = str(bundle(folder / "limited", root, limited=True))
        free = str(bundle(folder / "free", root, limited=False))
        found["crun"] = command("crun", "run", "-b", limited, "ID")
        found["crun without cgroup"] = command(
            "crun", "--cgroup-manager=disabled", "run", "-b", free, "ID"
        )
        if shutil.which("runc"):
            found["runc"] = command("runc", "run", "-b", limited, "ID")
    return found


def measure(root: Path, rounds: int, seed: int) -> dict[str, list[tuple[int, int]]]:
    """Every starter once a round, in a seeded random order; one start before that is not kept."""
    order = random.Random(seed)  # noqa: S311  # an order, no secret
    with tempfile.TemporaryDirectory() as name, Engine(Path(name) / "state") as engine:
        found = starters(engine, root, Path(name))
        measured: dict[str, list[tuple[int, int]]] = {key: [] for key in found}
        for number in range(rounds + 1):
            for key in order.sample(list(found), len(found)):
                time.sleep(_PAUSE_S)
                stamps = found[key](number)
                if number:
                    measured[key].append(stamps)
    return measured


def main() -> None:
    """Arguments: the image's tree, the number of rounds, the seed of the order."""
    unified = Path("/sys/fs/cgroup/unified")
    if unified.is_dir():
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", str(unified)], check=True)
    root, rounds, seed = sys.argv[1:]
    json.dump(measure(Path(root), int(rounds), int(seed)), sys.stdout)


if __name__ == "__main__":
    main()
