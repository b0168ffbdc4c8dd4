"""Drive VMs through libvirt and QEMU, given their best chance, every boundary stamped.

It imports nothing of the project. Start with `Driver`.
"""

from vmdriver.accelerator import Accelerator, audit
from vmdriver.agent.clock import ClockOffset
from vmdriver.agent.files import GuestFile
from vmdriver.agent.protocol import Completed
from vmdriver.architecture import unsupported
from vmdriver.config import Deadlines, VmConfig
from vmdriver.driver import Driver
from vmdriver.errors import (
    AgentMissingError,
    CommandTimeoutError,
    ConfigError,
    ConnectError,
    FirmwareStuckError,
    GuestBuildError,
    GuestHungError,
    GuestMemoryError,
    GuestSetupError,
    InitMissingError,
    KernelPanicError,
    KernelSilentError,
    PayloadMissingError,
    QemuDiedError,
    QemuStuckError,
    RefusedError,
    StartError,
    VmError,
    VmGoneError,
)
from vmdriver.network import Network
from vmdriver.profile import (
    MICRO,
    PROFILES,
    PROFILES_OF,
    STOCK,
    STOCK_UEFI,
    TUNED,
    VIRT_STOCK,
    VIRT_TUNED,
    Profile,
    diff,
)
from vmdriver.qemu.memory import QemuMemory
from vmdriver.state import clean, left_alone, leftovers
from vmdriver.vm import Vm

__all__ = [
    "MICRO",
    "PROFILES",
    "PROFILES_OF",
    "STOCK",
    "STOCK_UEFI",
    "TUNED",
    "VIRT_STOCK",
    "VIRT_TUNED",
    "Accelerator",
    "AgentMissingError",
    "ClockOffset",
    "CommandTimeoutError",
    "Completed",
    "ConfigError",
    "ConnectError",
    "Deadlines",
    "Driver",
    "FirmwareStuckError",
    "GuestBuildError",
    "GuestFile",
    "GuestHungError",
    "GuestMemoryError",
    "GuestSetupError",
    "InitMissingError",
    "KernelPanicError",
    "KernelSilentError",
    "Network",
    "PayloadMissingError",
    "Profile",
    "QemuDiedError",
    "QemuMemory",
    "QemuStuckError",
    "RefusedError",
    "StartError",
    "Vm",
    "VmConfig",
    "VmError",
    "VmGoneError",
    "audit",
    "clean",
    "diff",
    "left_alone",
    "leftovers",
    "unsupported",
]
