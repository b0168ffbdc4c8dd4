"""What the guest boots with besides the kernel's package: vmlinux and initramfs.

Both are made by `vmdriver.guest` from the image's kernel. They depend on that package's own code
(the guest's init lives there), so they are remade, within a second, when it changes; the tree and
its digest stay as they are.
"""

import hashlib
from pathlib import Path

from benchmarks.image.errors import ToolFailedError
from vmdriver import VmError, harness


def key(kernel_version: str) -> str:
    """SHA-256 over the files of `vmdriver.guest` and the kernel's version, in hex."""
    total = hashlib.sha256(kernel_version.encode())
    package = harness.GUEST_FILES
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            total.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def make(folder: Path, kernel: Path, modules: Path, busybox: Path) -> None:
    """Make `vmlinux` and `initramfs` in `folder`; each is replaced by one rename.

    Raises:
        ToolFailedError: the kernel is of an unknown form, or a module is missing.
        OSError: no space left, for one.
    """
    fresh = folder / ".fresh"
    try:
        harness.extract_vmlinux(kernel, fresh)
        fresh.rename(folder / "vmlinux")
        harness.build_initramfs(modules, busybox, fresh)
        fresh.rename(folder / "initramfs")
    except VmError as error:
        raise ToolFailedError(f"image build failed while making the initramfs: {error}") from error
