"""``fake``: a simulated sandbox without any process, for instant tests of everything above it.

Its figures come from a seeded random generator and mean nothing; a run made with it says so.
"""

import json
import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from benchmarks.errors import MeasurementError
from benchmarks.results.records import SandboxInfo
from benchmarks.sandboxes.base import Completed, Endpoint, Setting, Testbed
from benchmarks.sandboxes.registry import Kind, SandboxName, register
from benchmarks.sandboxes.testbed import BridgeTestbed

_MEBIBYTE = 1 << 20
_LEAST_BYTES = 20 * _MEBIBYTE


class FakeInstance:
    """An instance whose stamps are computed and whose commands answer from a table."""

    def __init__(self, generator: random.Random, speed: float) -> None:
        """Draw the stamps of one start; ``speed`` scales every duration."""
        self._random = generator
        self._speed = speed
        self._cpu = 0.0
        self._stamps = {"requested": time.monotonic_ns()}
        for boundary, milliseconds in (("spawned", 1.0), ("ready", 2.0), ("main", 1.0)):
            last = max(self._stamps.values())
            self._stamps[boundary] = last + int(self._noisy(milliseconds * 1e6))

    @property
    def stamps(self) -> Mapping[str, int]:
        """The drawn boundaries."""
        return self._stamps

    def run(self, args: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """Answer as the real tools would."""
        del timeout_s, stdin
        seconds = self._noisy(0.1)
        self._cpu += seconds
        tool = args[0].rpartition("/")[2]
        if tool == "sysbench":
            events = int(1000 * seconds / self._speed / 0.1)
            out = f"events per second: {1000 / self._speed:.2f}\ntotal number of events: {events}\n"
            return Completed(0, out.encode(), b"", seconds)
        if tool == "dd":
            err = f"1000 bytes (1.0 kB) copied, {seconds:.6f} s, 1.0 kB/s\n"
            return Completed(0, b"", err.encode(), seconds)
        if tool == "true":
            return Completed(0, b"", b"", seconds)
        if tool == "sha256sum":
            return Completed(0, f"{'0' * 64}  {args[-1]}\n".encode(), b"", seconds)
        if tool == "iperf3":
            received = {"bytes": int(1e9 * seconds / self._speed), "seconds": seconds}
            return Completed(0, json.dumps({"end": {"sum_received": received}}).encode(), b"", 0.1)
        if tool == "busybox":  # a server is started or ended
            return Completed(0, b"4711 /tmp/log\n", b"", seconds)
        raise MeasurementError(f"the fake sandbox has no {args[0]}")

    def cpu_seconds(self) -> float:
        """Return the sum of the drawn durations."""
        return self._cpu

    def charged_cpu_seconds(self) -> None:
        """Nothing is charged: there is no control group."""

    def pids(self) -> list[int]:
        """Return this process, so that what reads threads has some to read."""
        return [os.getpid()]

    def memory(self) -> Mapping[str, float | None]:
        """Return a drawn ladder."""
        resident = self._noisy(_MEBIBYTE)
        return {
            "rss_bytes": resident,
            "pss_bytes": resident / 2,
            "uss_bytes": resident / 4,
            "cgroup_bytes": None,
            "processes": 1,
        }

    def stop(self) -> None:
        """Draw the time a stop takes."""
        if "stopped" not in self._stamps:
            self._stamps["stop_asked"] = self._stamps["main"]
            self._stamps["stopped"] = self._stamps["main"] + int(self._noisy(1e6))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _noisy(self, value: float) -> float:
        return value * self._speed * self._random.lognormvariate(0.0, 0.05)


class FakeSandbox:
    """The fake; ``fake:slow`` is 1.5 times slower, ``fake:broken`` never starts."""

    def __init__(self, name: str, setting: Setting) -> None:
        """Take the variant from ``name``."""
        self._setting = setting
        self._variant = SandboxName.parse(name).variant or "plain"
        self._speed = 1.5 if self._variant == "slow" else 1.0
        self._random = random.Random(f"{setting.seed}/{name}")  # noqa: S311  # not cryptography
        self._info = SandboxInfo(
            name=name,
            kind="fake",
            profile=self._variant,
            boundaries=("spawned", "ready", "main"),
            caveats=("This sandbox is simulated; its figures say nothing about any host.",),
        )

    @property
    def info(self) -> SandboxInfo:
        """What the run folder says of it."""
        return self._info

    def start(self) -> FakeInstance:
        """Return an instance at once."""
        if self._variant == "broken":
            raise MeasurementError("the fake sandbox is told not to start")
        return FakeInstance(self._random, self._speed)

    def resized(self, memory_bytes: int) -> "FakeSandbox":
        """Return a fake of the same kind, which does not start with less than 20 MiB."""
        return self if memory_bytes >= _LEAST_BYTES else FakeSandbox("fake:broken", self._setting)

    @contextmanager
    def networked(self, testbed: Testbed) -> Iterator[Endpoint]:
        """Return an instance with an address set aside for documentation (RFC 5737)."""
        del testbed
        with self.start() as instance:
            yield Endpoint(instance, "192.0.2.2")

    def leftovers(self) -> list[str]:
        """Nothing is ever there."""
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to release."""


class FakeTestbed(BridgeTestbed):
    """A testbed without any network, for fakes."""

    def __init__(self, setting: Setting) -> None:
        """Take the host's end from a fake sandbox."""
        self._fake = FakeSandbox("fake", setting)

    @contextmanager
    def host(self) -> Iterator[Endpoint]:
        """Return a fake instance."""
        with self._fake.start() as instance:
            yield Endpoint(instance, "192.0.2.1")

    def leftovers(self) -> list[str]:
        """Nothing is ever there."""
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to release."""


register(
    Kind(
        name="fake",
        title="a simulated sandbox, for trying things out",
        names=("fake", "fake:slow", "fake:broken"),
        open=FakeSandbox,
        limits="not at all: nothing runs",
        isolation="simulated",
        testbed=FakeTestbed,
        start_and_stop_s=0.0,
        needs=(),
        suite_rounds=5,
    )
)
