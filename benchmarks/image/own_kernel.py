"""Kernels that lie on the host as files: its own, and one that the user names.

With its own, container and VM run the very same kernel.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from benchmarks.image import tools
from benchmarks.image.errors import BadKernelError
from benchmarks.image.kernel import Kernel
from benchmarks.image.model import OWN, modules_folder
from vmdriver import GuestBuildError
from vmdriver.harness import check_kernel

_HEADER = 0x202  # "HdrS"; kernel_version lies 12 bytes on (Linux Documentation/arch/x86/boot.rst)


@dataclass(frozen=True, slots=True)
class HostKernel:
    """A kernel in the host's files.

    Attributes:
        package: what stands for a package's name in the manifest.
        release: as ``uname -r`` says.
        version: as ``uname -v`` says: it tells builds of one release apart.
        image: the kernel's file.
        modules: ``…/lib/modules/RELEASE``.
    """

    package: str
    release: str
    version: str
    image: Path
    modules: Path


def find(root: Path = Path("/")) -> HostKernel | None:
    """The host's kernel; None where it has no file of it or no modules, as hosts in a cloud.

    Debian, RHEL and SUSE keep it in /boot; Fedora and Arch beside its modules.
    """
    running = os.uname()
    modules = modules_folder(root, running.release)
    places = (root / "boot" / f"vmlinuz-{running.release}", modules / "vmlinuz")
    image = next((path for path in places if path.is_file()), None)
    if image is None or not (modules / "modules.builtin").is_file():
        return None
    return HostKernel(OWN, running.release, running.version, image, modules)


def given(image: Path, modules: Path | None = None, root: Path = Path("/")) -> HostKernel:
    """Read which kernel a file is, and find its modules.

    Args:
        image: the kernel.
        modules: its modules, ``…/lib/modules/RELEASE``; by default those that the host has of it.
        root: where the host's modules are looked for.

    Raises:
        BadKernelError: the file does not say its release, it has no modules here, or it cannot be
            a guest's.
    """
    said = _said(image)
    named = image.name.partition("-")[2] or image.parent.name
    release = modules.name if modules else (said.partition(" ")[0] or named)
    where = modules or modules_folder(root, release)
    if not (where / "modules.builtin").is_file():
        raise BadKernelError(
            f"the kernel {image} has no modules at {where}; name its …/lib/modules/RELEASE with "
            "--modules"
        )
    found = HostKernel(str(image), release, said.partition(" ")[2] or release, image, where)
    reason = why_not(found)
    if reason is not None:
        raise BadKernelError(f"the kernel {image} cannot be a guest's: {reason}")
    return found


def why_not(own: HostKernel) -> str | None:
    """Why it cannot be a guest's kernel, in words; None where it can."""
    try:
        check_kernel(own.image, own.modules)
    except GuestBuildError as error:
        return str(error)
    return None


def copy(own: HostKernel, folder: Path, *, log: Path) -> Kernel:
    """Copy it to `folder`, laid out as a kernel package: the host's may go with its next update.

    Raises:
        BuildError: see `tools.run`.
    """
    boot, modules = folder / "boot", folder / "lib" / "modules"
    boot.mkdir(parents=True)
    modules.mkdir(parents=True)
    tools.run(
        "copying the kernel",
        ["cp", str(own.image), str(boot / f"vmlinuz-{own.release}")],
        log=log,
    )
    config = own.image.with_name(f"config-{own.release}")
    if config.is_file():
        tools.run("copying the kernel's configuration", ["cp", str(config), str(boot)], log=log)
    # `build` and `source` lead to the headers, and so out of the image
    copied = ["cp", "--archive", "--reflink=auto", str(own.modules.resolve())]
    tools.run("copying the kernel's modules", [*copied, str(modules / own.release)], log=log)
    for link in ("build", "source"):
        (modules / own.release / link).unlink(missing_ok=True)
    return Kernel(package=own.package, version=own.version, release=own.release)


def _said(image: Path) -> str:
    """What a bzImage says of itself, ``RELEASE (builder) #1 …``; empty for another format."""
    try:
        with image.open("rb") as file:
            head = file.read(1 << 16)
    except OSError as error:
        raise BadKernelError(f"cannot read the kernel {image}: {error.strerror}") from error
    if head[_HEADER : _HEADER + 4] != b"HdrS":
        return ""
    (at,) = struct.unpack_from("<H", head, _HEADER + 12)
    words, _, _ = head[at + 0x200 :].partition(b"\0")
    return words.decode(errors="replace")
