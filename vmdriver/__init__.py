"""The libvirt/QEMU driver: VMs given their best chance, every boundary stamped.

It imports nothing of the project. Start with `Driver`.
"""

from vmdriver.accelerator import Accelerator, audit
from vmdriver.agent import Completed
from vmdriver.config import Deadlines, VmConfig
from vmdriver.driver import Driver
from vmdriver.errors import (
    AgentMissingError,
    CommandTimeoutError,
    ConfigError,
    ConnectError,
    GuestBuildError,
    GuestHungError,
    GuestSetupError,
    InitMissingError,
    KernelPanicError,
    KernelSilentError,
    PayloadMissingError,
    QemuDiedError,
    RefusedError,
    StartError,
    VmError,
    VmGoneError,
)
from vmdriver.memory import QemuMemory
from vmdriver.profile import MICRO, PROFILES, STOCK, TUNED, Profile, diff
from vmdriver.state import clean, leftovers
from vmdriver.vm import Vm

__all__ = [
    "MICRO",
    "PROFILES",
    "STOCK",
    "TUNED",
    "Accelerator",
    "AgentMissingError",
    "CommandTimeoutError",
    "Completed",
    "ConfigError",
    "ConnectError",
    "Deadlines",
    "Driver",
    "GuestBuildError",
    "GuestHungError",
    "GuestSetupError",
    "InitMissingError",
    "KernelPanicError",
    "KernelSilentError",
    "PayloadMissingError",
    "Profile",
    "QemuDiedError",
    "QemuMemory",
    "RefusedError",
    "StartError",
    "Vm",
    "VmConfig",
    "VmError",
    "VmGoneError",
    "audit",
    "clean",
    "diff",
    "leftovers",
]
