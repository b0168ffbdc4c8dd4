"""Waits for a start's boundaries, each with a deadline and an error of its own."""

import time
from collections.abc import Container

from vmdriver.errors import (
    GuestSetupError,
    InitMissingError,
    KernelPanicError,
    KernelSilentError,
    PayloadMissingError,
    QemuDiedError,
    StartError,
)
from vmdriver.vm import Vm

_QUIET_END = "exit status 0"


def await_payload(vm: Vm, boundaries: Container[str] = ("kernel", "init", "main")) -> None:
    """Returns when the payload has written its first byte.

    Args:
        vm: launched.
        boundaries: those that this start passes; a restored guest has booted before.

    Raises:
        StartError: one of its kinds, by what was seen and what was missing.
    """
    deadlines = vm.config.deadlines
    phases: tuple[tuple[str, float, type[StartError], str], ...] = (
        (
            "kernel",
            deadlines.kernel_s,
            KernelSilentError,
            "its kernel wrote nothing; is it damaged?",
        ),
        (
            "init",
            deadlines.init_s,
            InitMissingError,
            "its init never ran; is the initramfs damaged?",
        ),
        (
            "main",
            deadlines.main_s,
            PayloadMissingError,
            f"{vm.config.payload[0]} wrote no first byte",
        ),
    )
    for boundary, seconds, error, meaning in phases:
        if boundary in boundaries and not _reached(vm, boundary, seconds):
            raise error(
                f"the VM {vm.config.name} did not reach {boundary} within {seconds:g} s: {meaning} "
                f"(last line {vm.console_state.last_line()!r}, console {vm.console})"
            )


def _reached(vm: Vm, boundary: str, seconds: float) -> bool:
    channels, console = vm.channels, vm.console_state
    deadline = time.monotonic() + seconds
    with channels.changed:
        while boundary not in channels.stamps:
            if console.failure:
                raise GuestSetupError(
                    f"the VM {vm.config.name} could not be set up: {console.failure} "
                    f"(console {vm.console})"
                )
            if console.panic:
                raise KernelPanicError(
                    f"the kernel of the VM {vm.config.name} panicked: {console.panic} "
                    f"(console {vm.console})"
                )
            if channels.ended is not None:
                hint = (
                    f"; the guest ended by itself: are {vm.config.memory_mib} MiB enough, "
                    "and is the kernel whole?"
                    if channels.ended == _QUIET_END
                    else ""
                )
                raise QemuDiedError(
                    f"QEMU of the VM {vm.config.name} ended with {channels.ended} before "
                    f"{boundary}{hint} (last line {console.last_line()!r}, console {vm.console})"
                )
            if vm.payload_exit is not None:
                raise PayloadMissingError(
                    f"{vm.config.payload[0]} ended with status {vm.payload_exit} in the VM "
                    f"{vm.config.name} without writing its first byte "
                    f"(last line {console.last_line()!r}, console {vm.console})"
                )
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            channels.changed.wait(left)
    return True
