"""Time starts of VMs by every profile, interleaved, with all their boundaries.

Every round starts a VM in each way once, in a seeded random order; a first round is thrown away. A
VM stays on one CPU. Two ways besides the profiles show where the time goes: the tuned profile's
QEMU command line without libvirt, and the stock profile's devices with the driver's own init.
"""

import os
import random
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.image import Image, distribution
from benchmarks.suites.libvirt_share import start_directly, without_libvirt
from vmdriver import MICRO, STOCK, STOCK_UEFI, TUNED, Deadlines, Driver, Vm, VmConfig

Stamps = Mapping[str, int]
Measured = dict[str, list[Stamps]]


DIRECTLY = "tuned, without libvirt"
WAYS = ("tuned", DIRECTLY, "microvm", "restored", "stock, own init", "stock", "uefi")
BOUNDARIES = (
    "exec", "spawned", "vmm_ready", "returned", "kernel", "init", "main",
    "powered_off", "stopped",
)  # fmt: skip
_ENDS = {"powered_off", "stopped"}
_PAYLOAD = ("sh", "-c", "echo m >&3; exec sleep 600")
_MEMORY_MIB = 512
_LONG_DEADLINES = Deadlines(kernel_s=180, init_s=180, main_s=300, gone_s=60)


def measure(
    image: Image,
    rounds: int,
    seed: int,
    ways: tuple[str, ...] = WAYS,
    say: Callable[[str], None] = lambda _: None,
) -> Measured:
    """Start each way once a round.

    Args:
        image: The image that the guests boot.
        rounds: Number of rounds that are kept.
        seed: Seed of the order.
        ways: Some of `WAYS`.
        say: Called with a line for each start.

    Returns:
        Way to the stamps of its starts, in nanoseconds of CLOCK_MONOTONIC.
    """
    order = random.Random(seed)
    found: Measured = {way: [] for way in ways}
    with ExitStack() as stack:
        state = stack.enter_context(tempfile.TemporaryDirectory(prefix="tare-starts-"))
        starts = _Starts(image, stack.enter_context(Driver(Path(state))))
        for number in range(1 + rounds):
            for way in order.sample(ways, len(ways)):
                stamps = starts.start(way)
                say(f"round {number}: {way} {seconds(stamps, 'main'):.2f} s")
                if number:
                    found[way].append(stamps)
    return found


class _Starts:
    def __init__(self, image: Image, driver: Driver) -> None:
        self._image = image
        self._driver = driver
        self._cpu = max(os.sched_getaffinity(0))
        self._saved = driver.saved / "guest"
        self._known: tuple[list[str], Mapping[str, Path]] | None = None

    def start(self, way: str) -> Stamps:
        """Start and stop a VM; return its stamps."""
        if way == DIRECTLY:
            return self._directly()
        config = self._config(way)
        if way != "restored":
            with self._driver.start(config) as vm:
                return _stopped(vm)
        if not self._saved.exists():
            with self._driver.start(replace(config, payload=("sh", "-c", "echo m >&3"))) as vm:
                vm.save(self._saved)
        with self._driver.restore(config, self._saved) as vm:
            return _stopped(vm)

    def _config(self, way: str) -> VmConfig:
        image = self._image
        config = VmConfig(
            name=way.replace(", ", "-").replace(" ", "-"),
            kernel=image.vmlinux,
            initrd=image.initramfs,
            disk=image.block,
            memory_mib=_MEMORY_MIB,
            cpuset=frozenset({self._cpu}),
            payload=_PAYLOAD,
            profile=TUNED,
        )
        if way == "microvm":
            return replace(config, profile=MICRO)
        if way == "stock, own init":
            return replace(config, profile=STOCK, kernel=image.kernel)
        if way in {"stock", "uefi"}:
            whole = distribution.build(image, progress=_print_progress)
            return replace(
                config,
                profile=STOCK if way == "stock" else STOCK_UEFI,
                kernel=image.kernel,
                initrd=whole.initrd,
                disk=whole.block,
                deadlines=_LONG_DEADLINES,
            )
        return config

    def _directly(self) -> Stamps:
        """Start the tuned profile's command line, which a first start through libvirt has told."""
        if self._known is None:
            with self._driver.start(self._config(DIRECTLY)) as vm:
                self._known = without_libvirt(vm.argv), vm.sockets
        argv, sockets = self._known
        return start_directly(["taskset", "-c", str(self._cpu), *argv], sockets, _PAYLOAD)


def _print_progress(words: str) -> None:
    sys.stderr.write(f"{words}\n")


def _stopped(vm: Vm) -> Stamps:
    vm.stop(grace_s=0)
    return dict(vm.stamps)


def seconds(stamps: Stamps, boundary: str) -> float:
    """Return the seconds from the request (to start, or to stop) to a boundary."""
    begin = "stop_asked" if boundary in _ENDS else "requested"
    return (stamps[boundary] - stamps[begin]) / 1e9


def ladder(starts: list[Stamps]) -> dict[str, float]:
    """Return the median seconds to each boundary that these starts passed."""
    return {
        boundary: median(seconds(stamps, boundary) for stamps in starts)
        for boundary in BOUNDARIES
        if all(boundary in stamps and _has_begin(stamps, boundary) for stamps in starts)
    }


def _has_begin(stamps: Stamps, boundary: str) -> bool:
    return boundary not in _ENDS or "stop_asked" in stamps


def table(measured: Measured) -> str:
    """Return the median milliseconds to each boundary, as a Markdown table."""
    lines = [f"| | {' | '.join(BOUNDARIES)} |", f"|---|{'---|' * len(BOUNDARIES)}"]
    for way, starts in measured.items():
        medians = ladder(starts)
        cells = [f"{medians[b] * 1000:.0f}" if b in medians else "" for b in BOUNDARIES]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ratio(measured: Measured, way: str, base: str) -> float:
    """Return the median over the rounds of ``way``'s time to ``main`` over that of ``base``."""
    pairs = zip(measured[way], measured[base], strict=True)
    return median(seconds(one, "main") / seconds(other, "main") for one, other in pairs)
