"""Make what the guest boots: an uncompressed kernel and a small initramfs."""

from vmdriver.guest.initramfs import ON_DEMAND, build_initramfs
from vmdriver.guest.kernel import check_kernel, extract_vmlinux
from vmdriver.guest.modules import Modules

__all__ = ["ON_DEMAND", "Modules", "build_initramfs", "check_kernel", "extract_vmlinux"]
