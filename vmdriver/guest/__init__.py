"""What the guest boots: an uncompressed kernel and a small initramfs."""

from vmdriver.guest.initramfs import build_initramfs
from vmdriver.guest.kernel import extract_vmlinux

__all__ = ["build_initramfs", "extract_vmlinux"]
