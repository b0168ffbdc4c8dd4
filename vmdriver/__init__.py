"""The libvirt/QEMU driver: VMs given their best chance, every boundary stamped.

It imports nothing of the project. Start with `Driver`.
"""

from vmdriver.agent import Completed
from vmdriver.config import PROFILES, STOCK, TUNED, Deadlines, Profile, VmConfig, diff
from vmdriver.driver import Driver
from vmdriver.errors import VmError
from vmdriver.state import clean, leftovers
from vmdriver.vm import Vm

__all__ = [
    "PROFILES",
    "STOCK",
    "TUNED",
    "Completed",
    "Deadlines",
    "Driver",
    "Profile",
    "Vm",
    "VmConfig",
    "VmError",
    "clean",
    "diff",
    "leftovers",
]
