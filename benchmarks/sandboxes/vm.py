"""The ``vm`` sandbox: a QEMU guest through libvirt that boots the same image."""

from __future__ import annotations

import contextlib
import itertools
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import vmdriver
from benchmarks.errors import MeasurementError, UnsuitableHostError
from benchmarks.image import Image
from benchmarks.records import SandboxInfo
from benchmarks.sandboxes import processes
from benchmarks.sandboxes.base import ENVIRONMENT, PAYLOAD, STOP_GRACE_S, Completed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from benchmarks.sandboxes.base import Setting


class VmInstance:
    """A running guest."""

    def __init__(self, vm: vmdriver.Vm, memory_bytes: int) -> None:
        """Take over a guest whose payload has reported its first instruction."""
        self._vm = vm
        self._memory_bytes = memory_bytes

    @property
    def stamps(self) -> Mapping[str, int]:
        """Boundaries passed so far; ``ready`` is the VMM ready to run the guest."""
        stamps = dict(self._vm.stamps)
        if "vmm_ready" in stamps:
            stamps["ready"] = stamps.pop("vmm_ready")
        return stamps

    def run(self, args: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """Run a command in the guest and wait for it."""
        try:
            done = self._vm.exec(list(args), env=ENVIRONMENT, stdin=stdin, timeout_s=timeout_s)
        except vmdriver.CommandTimeoutError as error:
            raise MeasurementError(str(error), timed_out=True) from error
        except vmdriver.VmError as error:
            raise MeasurementError(f"cannot run {args[0]} in the guest: {error}") from error
        seconds = (done.ended_ns - done.requested_ns) / 1e9
        return Completed(done.exit_code, done.stdout, done.stderr, seconds)

    def pids(self) -> list[int]:
        """Return QEMU's process."""
        try:
            return [self._vm.pid]
        except vmdriver.VmError as error:
            raise MeasurementError(f"QEMU has ended: {error}") from error

    def cpu_seconds(self) -> float:
        """Return the CPU time of all threads of QEMU."""
        try:
            return self._vm.cpu_time_s()
        except vmdriver.VmError as error:
            raise MeasurementError(f"cannot read QEMU's CPU time: {error}") from error

    def memory(self) -> Mapping[str, float | None]:
        """Return QEMU's ladder, guest RAM told from the rest, and the guest's own view."""
        ladder = processes.ladder([self._vm.pid])
        ram = processes.mapping_rss(self._vm.pid, self._memory_bytes)
        resident = ladder["rss_bytes"]
        try:
            guest = self._vm.guest_memory()
        except vmdriver.VmError as error:
            raise MeasurementError(f"cannot read the guest's memory: {error}") from error
        return {
            **ladder,
            "cgroup_bytes": None,
            "guest_ram_bytes": ram,
            "vmm_bytes": resident - ram if resident is not None and ram is not None else None,
            "guest_used_bytes": guest["MemTotal"] - guest["MemAvailable"],
        }

    def stop(self) -> None:
        """Ask the guest to power off, and end QEMU by force where it does not."""
        try:
            self._vm.stop(STOP_GRACE_S)
        except vmdriver.VmError as error:
            raise MeasurementError(f"the guest did not stop: {error}") from error
        if self._vm.forced:
            raise MeasurementError(
                f"the guest did not stop within {STOP_GRACE_S:g} s and was killed",
                timed_out=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.stop()
            return
        with contextlib.suppress(vmdriver.VmError):
            self._vm.destroy()


class VmSandbox:
    """Starts guests of one profile under the accelerator that the audit admits."""

    def __init__(self, name: str, setting: Setting) -> None:
        """Audit the accelerators.

        Raises:
            UnsuitableHostError: No image with a kernel, or no QEMU that can run a guest.
        """
        if os.geteuid() != 0:
            raise UnsuitableHostError(
                f"the sandbox {name!r} needs root for libvirt's own driver; run tare as root",
            )
        if not isinstance(setting.image, Image):
            raise UnsuitableHostError(
                f"the sandbox {name!r} needs an image with a kernel; "
                "make one with `tare image build`",
            )
        self._image = setting.image
        self._setting = setting
        self._name = name
        self._profile = name.partition(":")[2] or "tuned"
        self._numbers = itertools.count()
        self._stack = ExitStack()
        audited = vmdriver.audit()
        usable = [found for found in audited if found.verdict == "accelerates"] or [
            found for found in audited if found.verdict == "emulates" and found.name == "tcg"
        ]
        if not usable:
            reasons = "; ".join(f"{found.name}: {found.reason}" for found in audited)
            raise UnsuitableHostError(f"no accelerator of QEMU can run a guest here: {reasons}")
        self._accelerator = usable[0].name
        self._cpu_features_off = usable[0].cpu_features_off
        accelerates = usable[0].verdict == "accelerates"
        self._info = SandboxInfo(
            name=name,
            kind="vm",
            profile=self._profile,
            admissible_cpu=accelerates,
            accelerator=self._accelerator,
            boundaries=("spawned", "ready", "kernel", "init", "main"),
            caveats=tuple(_caveats(audited, self._accelerator, accelerates=accelerates)),
            details={
                "kernel": self._image.kernel_release,
                "audit": [
                    {
                        "name": found.name,
                        "verdict": found.verdict,
                        "ratio_to_native": found.ratio,
                        "loops_per_s": found.loops_per_s,
                        "native_loops_per_s": found.native_loops_per_s,
                        "reason": found.reason,
                    }
                    for found in audited
                ],
            },
        )

    @property
    def info(self) -> SandboxInfo:
        """What the run folder says of it."""
        return self._info

    def start(self) -> VmInstance:
        """Boot one and wait for its workload's first instruction."""
        resources = self._setting.resources
        number = next(self._numbers)
        tuned = self._profile == "tuned"
        config = vmdriver.VmConfig(
            name=f"tare-{os.getpid()}-{self._profile}-{number}",
            kernel=self._image.vmlinux if tuned else self._image.kernel,
            initrd=self._image.initramfs,
            disk=self._image.block,
            vcpus=resources.cpus,
            memory_mib=resources.memory_bytes >> 20,
            accelerator=self._accelerator,
            cpu_features_off=self._cpu_features_off,
            profile=self._profile,
            cpuset=frozenset(resources.cpuset),
            payload=PAYLOAD,
        )
        try:
            vm = self._driver.start(config)
        except (
            vmdriver.KernelSilentError,
            vmdriver.InitMissingError,
            vmdriver.PayloadMissingError,
        ) as error:
            raise MeasurementError(str(error), timed_out=True) from error
        except vmdriver.VmError as error:
            raise MeasurementError(str(error)) from error
        if number == 0:
            self._keep_configuration(vm)
        return VmInstance(vm, resources.memory_bytes)

    def _keep_configuration(self, vm: vmdriver.Vm) -> None:
        label = self._name.replace(":", ".")
        (self._setting.logs / f"{label}-domain.xml").write_text(vm.domain_xml, encoding="utf-8")
        argv = "\n".join(vm.argv)
        (self._setting.logs / f"{label}-qemu-argv.txt").write_text(f"{argv}\n", encoding="utf-8")

    def leftovers(self) -> list[str]:
        """Name what is left of guests that should be gone."""
        return vmdriver.leftovers(self._state)

    def __enter__(self) -> Self:
        self._state = self._setting.state / self._name.replace(":", ".")
        try:
            self._driver = self._stack.enter_context(vmdriver.Driver(state=self._state))
        except vmdriver.VmError as error:
            raise UnsuitableHostError(
                f"the sandbox {self._name!r} cannot be had here: {error}",
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()


def _caveats(
    audited: Sequence[vmdriver.Accelerator],
    chosen: str,
    *,
    accelerates: bool,
) -> list[str]:
    caveats = [
        f"{found.name} was not used: {found.reason}"
        for found in audited
        if found.name != chosen and found.verdict != "accelerates"
    ]
    if not accelerates:
        caveats.append(
            f"The guest's CPU is emulated ({chosen}), so its speeds say nothing about a VM "
            "on hardware virtualization.",
        )
    return caveats
