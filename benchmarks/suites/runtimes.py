"""Time starts of tare's runtime and of external ones, interleaved, with one image and workload.

It is run as a program in a mount namespace of its own (by `test_runtimes`): crun refuses the hybrid
cgroup layout unless `/sys/fs/cgroup/unified` is out of its sight. Prints JSON: name to a list of
[request, first byte of output], CLOCK_MONOTONIC nanoseconds.

External runtimes are started as commands, as their users do, and tare's by an engine that runs
already, as tare uses it. The external ones get no filter and no user namespace, and mount the image
read-only where tare makes a writable layer: they do less.
"""

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from runtime import Engine, Resources, Spec
from runtime.spec import profiles

Start = Callable[[int], tuple[int, int]]

NAMES = (
    "tare", "tare without init", "tare without cgroup", "native",
    "bubblewrap", "crun", "crun without cgroup", "runc",
)  # fmt: skip
PROGRAM = ("/usr/bin/busybox", "echo", "-n", "m")
LIMITS = Resources(memory_limit_bytes=256 << 20, cpus=1.0, pids_limit=512)
_PAUSE_S = 0.03


def by_engine(engine: Engine, spec: Spec) -> Start:
    """Return a starter that uses tare's engine."""
    engine.prepare(spec)

    def start(_: int) -> tuple[int, int]:
        reader, writer = os.pipe()
        asked = time.monotonic_ns()
        with engine.run(spec, stdio=(writer, writer, 2)):
            os.close(writer)
            os.read(reader, 1)
            received = time.monotonic_ns()
            os.close(reader)
        return asked, received

    return start


def by_command(*argv: str) -> Start:
    """Return a starter that runs a command; `ID` in it becomes a fresh name."""

    def start(number: int) -> tuple[int, int]:
        fresh = [word.replace("ID", f"runtime-{os.getpid()}-{number}") for word in argv]
        reader, writer = os.pipe()
        asked = time.monotonic_ns()
        with subprocess.Popen(fresh, stdin=subprocess.DEVNULL, stdout=writer) as process:
            os.close(writer)
            byte = os.read(reader, 1)
            received = time.monotonic_ns()
            os.close(reader)
        if not byte or process.returncode:
            raise RuntimeError(f"{argv[0]} failed with status {process.returncode}")
        return asked, received

    return start


def bundle(folder: Path, root: Path, *, limited: bool) -> Path:
    """Make an OCI bundle with crun's default configuration for the same workload."""
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
    """Return a starter for everything that can be measured on this host."""
    spec = profiles.default(rootfs=root, args=PROGRAM, resources=LIMITS)
    without_init = replace(spec, process=replace(spec.process, init=False))
    found = {
        "tare": by_engine(engine, spec),
        "tare without init": by_engine(engine, without_init),
        "tare without cgroup": by_engine(engine, profiles.without(without_init, "cgroup")),
        "native": by_engine(engine, profiles.native(rootfs=root, args=PROGRAM)),
    }
    if shutil.which("bwrap"):
        found["bubblewrap"] = by_command(
            "bwrap", "--unshare-all", "--ro-bind", str(root), "/", "--proc", "/proc",
            "--dev", "/dev", *PROGRAM,
        )  # fmt: skip
    if shutil.which("crun"):
        limited = str(bundle(folder / "limited", root, limited=True))
        free = str(bundle(folder / "free", root, limited=False))
        found["crun"] = by_command("crun", "run", "-b", limited, "ID")
        found["crun without cgroup"] = by_command(
            "crun", "--cgroup-manager=disabled", "run", "-b", free, "ID"
        )
        if shutil.which("runc"):
            found["runc"] = by_command("runc", "run", "-b", limited, "ID")
    return found


def measure(root: Path, rounds: int, seed: int) -> dict[str, list[tuple[int, int]]]:
    """Use every starter once a round, in a seeded random order; a first round is thrown away."""
    order = random.Random(seed)
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
    """Measure; arguments are the image's tree, the number of rounds, the seed of the order."""
    unified = Path("/sys/fs/cgroup/unified")
    if unified.is_dir():
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", str(unified)], check=True)
    root, rounds, seed = sys.argv[1:]
    json.dump(measure(Path(root), int(rounds), int(seed)), sys.stdout)


if __name__ == "__main__":
    main()
