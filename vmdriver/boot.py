"""Wait for a start's boundaries, each with a deadline and an error of its own."""

import time
from collections.abc import Container

from vmdriver.errors import (
    AgentMissingError,
    FirmwareStuckError,
    GuestMemoryError,
    GuestSetupError,
    InitMissingError,
    KernelPanicError,
    KernelSilentError,
    PayloadMissingError,
    QemuDiedError,
    StartError,
    VmError,
)
from vmdriver.profile import UEFI
from vmdriver.qemu import diagnosis
from vmdriver.vm import Vm

_QUIET_END = "exit status 0"


def await_payload(vm: Vm, boundaries: Container[str] = ("kernel", "init", "main")) -> None:
    """Return when the payload has written its first byte.

    Args:
        vm: launched.
        boundaries: those that this start passes; a restored guest has booted before.

    Raises:
        StartError: one of its kinds, by what was seen and what was missing.
        GuestMemoryError: the guest's kernel said that its memory does not do.
    """
    deadlines = vm.config.deadlines
    for boundary, seconds in (
        ("kernel", deadlines.kernel_s),
        ("init", deadlines.init_s),
        ("main", deadlines.main_s),
    ):
        if boundary in boundaries and not _reached(vm, boundary, seconds):
            error, meaning = _missed(vm, boundary)
            raise error(
                f"the VM {vm.config.name} did not reach {boundary} within {seconds:g} s: "
                f"{meaning}; {diagnosis.why(vm.ports.process)} {_evidence(vm)}"
            )
        if boundary == "init":
            vm.give_payload()


def _missed(vm: Vm, boundary: str) -> tuple[type[StartError], str]:
    """What a boundary that was not reached in time means."""
    if boundary == "kernel":
        firmware = vm.config.resolved_profile().firmware
        # UEFI turns paging on itself, but nobody takes a kernel's words for its.
        if firmware == UEFI or diagnosis.in_firmware(vm.domain.monitor, vm.ports.process):
            return FirmwareStuckError, f"its firmware, {firmware}, started no kernel"
        return KernelSilentError, "its kernel wrote nothing; is it damaged?"
    if boundary == "init":
        return InitMissingError, "its init never ran; is the initramfs damaged?"
    if not vm.agent_spoke:
        return AgentMissingError, "its agent never spoke; is the initramfs damaged?"
    return PayloadMissingError, f"{vm.config.payload[0]} wrote no first byte"


def _evidence(vm: Vm) -> str:
    return f"(last line {vm.console_state.last_line()!r}, console {vm.console})"


def _reached(vm: Vm, boundary: str, seconds: float) -> bool:
    channels = vm.ports
    deadline = time.monotonic() + seconds
    with channels.changed:
        while boundary not in channels.stamps:
            error = _failed(vm, boundary)
            if error is not None:
                raise error
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            channels.changed.wait(left)
    return True


def _failed(vm: Vm, boundary: str) -> VmError | None:
    """The error that what has been seen amounts to, None while the boundary may still come."""
    console, name = vm.console_state, vm.config.name
    if console.failure:
        return GuestSetupError(
            f"the VM {name} could not be set up: {console.failure} (console {vm.console})"
        )
    if console.panic:
        if "memory" in console.panic:
            return _too_little_memory(vm, f"panicked: {console.panic}")
        return KernelPanicError(
            f"the kernel of the VM {name} panicked: {console.panic} (console {vm.console})"
        )
    if vm.ports.ended is not None:
        return _ended(vm, vm.ports.ended, boundary)
    return None if vm.payload_exit is None else _payload_ended(vm, vm.payload_exit)


def _ended(vm: Vm, how: str, boundary: str) -> QemuDiedError:
    hint = (
        f"; the guest ended by itself: are {vm.config.memory_mib} MiB enough, "
        "and is the kernel whole?"
        if how == _QUIET_END
        else ""
    )
    return QemuDiedError(
        f"QEMU of the VM {vm.config.name} ended with {how} before {boundary}{hint} {_evidence(vm)}"
    )


def _payload_ended(vm: Vm, status: int) -> VmError:
    if vm.console_state.killed:
        return _too_little_memory(vm, f"killed {', '.join(vm.console_state.killed)}")
    return PayloadMissingError(
        f"{vm.config.payload[0]} ended with status {status} in the VM {vm.config.name} without "
        f"writing its first byte {_evidence(vm)}"
    )


def _too_little_memory(vm: Vm, what: str) -> GuestMemoryError:
    return GuestMemoryError(
        f"the guest {vm.config.name} ran out of memory and its kernel {what}; give more than "
        f"{vm.config.memory_mib} MiB (console {vm.console})"
    )
