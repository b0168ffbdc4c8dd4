"""Run the measurements and print their results; see the package."""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import image
from benchmarks.scale import density, steps, throughput
from runtime import Engine, Resources, Spec
from runtime.spec import profiles

LIMITS = Resources(memory_limit_bytes=64 << 20, cpus=1.0, pids_limit=64)
IDLE = ("/bin/busybox", "sleep", "2147483647")
TALK = ("/bin/busybox", "echo", "m")
_WHOLE_FROM = 100


def main() -> None:
    """Parse the arguments and measure what they name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("measurements", nargs="*", choices=[[], *MEASUREMENTS], help="default: all")
    parser.add_argument("--count", type=int, default=1000, help="containers at once")
    parser.add_argument("--seconds", type=float, default=10, help="of each throughput")
    parser.add_argument("--rounds", type=int, default=50, help="starts for the steps")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    root = image.build(progress=lambda text: print(text, file=sys.stderr)).root
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.measurements or MEASUREMENTS:
            with Engine(Path(folder) / name) as engine:
                found[name] = MEASUREMENTS[name](engine, root, options)
    if options.json:
        json.dump(found, sys.stdout, indent=1)
        print()
        return
    for name, rows in found.items():
        print(f"\n{name}")
        for row, values in rows.items():
            cells = ", ".join(f"{key} {_short(value)}" for key, value in values.items())
            print(f"  {row}: {cells}")


def _steps(engine: Engine, root: Path, options: argparse.Namespace) -> dict[str, Any]:
    return {
        f"{name}, us": steps.measure(engine, spec, options.rounds)
        for name, spec in _specs(root, TALK).items()
    }


def _throughput(engine: Engine, root: Path, options: argparse.Namespace) -> dict[str, Any]:
    found = {}
    for name, spec in _specs(root, ("/bin/busybox", "true")).items():
        seen = throughput.measure(engine, spec, options.seconds)
        found[name] = {**asdict(seen), "per_second": seen.per_second}
    return found


def _density(engine: Engine, root: Path, options: argparse.Namespace) -> dict[str, Any]:
    specs = {**_specs(root, IDLE), "native": profiles.native(rootfs=root, args=IDLE)}
    found = {
        name: asdict(density.measure(engine, spec, options.count)) for name, spec in specs.items()
    }
    for name in specs:
        more = found[name]["slope_bytes"] - found["native"]["slope_bytes"]
        found[name]["beyond_native_bytes"] = more
    return found


def _specs(root: Path, args: tuple[str, ...]) -> dict[str, Spec]:
    limited = profiles.default(rootfs=root, args=args, resources=LIMITS)
    bare = replace(limited, process=replace(limited.process, init=False))
    return {"with limits": limited, "without a cgroup": profiles.without(bare, "cgroup")}


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= _WHOLE_FROM else f"{value:.2f}"


MEASUREMENTS = {"steps": _steps, "throughput": _throughput, "density": _density}

if __name__ == "__main__":
    main()
