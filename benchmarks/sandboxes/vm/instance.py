"""Instance of a VM sandbox: a running guest and its control group."""

import contextlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import psutil

import vmdriver
from benchmarks.errors import MeasurementError
from benchmarks.sandboxes import limits, processes
from benchmarks.sandboxes.base import ENVIRONMENT, Completed
from benchmarks.sandboxes.vm import groups
from runtime.harness import Group

_GIVEN_BACK = ("MemFree", "Buffers", "Cached", "SReclaimable")
"""What a guest could give back; MemAvailable is less by its kernel's low watermarks, a reserve that
is free (proc_meminfo(5))."""


class VmInstance:
    """A guest whose payload has reported its first instruction."""

    def __init__(self, vm: vmdriver.Vm, requested_ns: int, group: Group | None) -> None:
        """Take over a guest.

        Args:
            vm: The guest.
            requested_ns: Time of the request, before its group was made.
            group: Its control group, removed with it.
        """
        self._vm = vm
        self._requested_ns = requested_ns
        self._group = group

    @property
    def stamps(self) -> Mapping[str, int]:
        """Boundaries passed so far; ``spawned`` is QEMU's exec, ``ready`` its CPUs' first turn."""
        stamps = {**self._vm.stamps, "requested": self._requested_ns}
        if "vmm_ready" in stamps:
            stamps["ready"] = stamps.pop("vmm_ready")
        if "exec" in stamps:
            stamps["connected"] = stamps["spawned"]
            stamps["spawned"] = stamps.pop("exec")
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
        """Return the processes that serve the guest: QEMU's, and virtiofsd's where there is one."""
        try:
            return [self._vm.pid, *self._vm.helper_pids]
        except vmdriver.VmError as error:
            raise MeasurementError(f"QEMU has ended: {error}") from error

    def cpu_seconds(self) -> float:
        """Return the CPU time of all threads of QEMU, and of virtiofsd where there is one."""
        try:
            used = self._vm.cpu_time_s()
        except vmdriver.VmError as error:
            raise MeasurementError(f"cannot read QEMU's CPU time: {error}") from error
        for pid in self._vm.helper_pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = psutil.Process(pid).cpu_times()
                used += times.user + times.system
        return used

    def charged_cpu_seconds(self) -> float | None:
        """Return what the group of QEMU was charged; None without one."""
        return groups.charged_cpu_s(self._group)

    def memory(self) -> Mapping[str, float | None]:
        """Return the ladder of QEMU and its helpers, guest RAM told apart, and the guest's view."""
        helpers = self._vm.helper_pids
        try:
            parts = self._vm.memory()
            guest = self._vm.guest_memory()
        except vmdriver.VmError as error:
            raise MeasurementError(f"cannot read the guest's memory: {error}") from error
        served = {"helper_pss_bytes": processes.ladder(helpers)["pss_bytes"]} if helpers else {}
        return {
            **processes.ladder([self._vm.pid, *helpers]),
            **served,
            **processes.charges(groups.charged(self._group)),
            "guest_ram_bytes": parts.guest_ram_bytes,
            "vmm_bytes": parts.rss_bytes - parts.guest_ram_bytes,
            "translation_bytes": parts.translation_bytes,
            "page_tables_bytes": parts.page_tables_bytes,
            "guest_used_bytes": guest["MemTotal"] - guest["MemAvailable"],
            "guest_held_bytes": guest["MemTotal"] - sum(guest.get(key, 0) for key in _GIVEN_BACK),
        }

    def stop(self) -> None:
        """Ask the guest to power off, and end QEMU by force where it does not."""
        try:
            self._vm.stop(limits.STOP_GRACE_S)
        except vmdriver.VmError as error:
            raise MeasurementError(f"the guest did not stop: {error}") from error
        finally:
            groups.remove(self._group)
        stamps = self._vm.stamps
        if stamps.get("stopped", stamps["stop_asked"]) < stamps["stop_asked"]:
            raise MeasurementError("the guest had ended before it was asked to stop")
        if self._vm.forced:
            raise MeasurementError(
                f"the guest did not stop within {limits.STOP_GRACE_S:g} s and was killed",
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
        groups.remove(self._group)


class ReadyInstance(VmInstance):
    """A guest whose VMM is ready to boot it; it may not have begun to, and is ended by force."""

    @property
    def stamps(self) -> Mapping[str, int]:
        """Boundaries up to ``ready``: whether a later one was passed is a matter of chance."""
        told = ("requested", "connected", "spawned", "ready")
        return {name: at for name, at in super().stamps.items() if name in told}

    def stop(self) -> None:
        """Kill QEMU."""
        try:
            self._vm.destroy()
        except vmdriver.VmError as error:
            raise MeasurementError(f"the guest did not end: {error}") from error
        finally:
            groups.remove(self._group)
