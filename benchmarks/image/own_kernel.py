"""The host's own kernel as the guest's: container and VM then run the very same one."""

import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.image import tools
from benchmarks.image.kernel import Kernel
from benchmarks.image.model import modules_folder
from vmdriver import GuestBuildError
from vmdriver.harness import check_kernel

PACKAGE = "the host's own"
"""Stands for a package's name in the manifest."""


@dataclass(frozen=True, slots=True)
class OwnKernel:
    """Where the host keeps the kernel that it runs.

    Attributes:
        release: as ``uname -r`` says.
        version: as ``uname -v`` says: it tells builds of one release apart.
        image: ``/boot/vmlinuz-RELEASE``.
        modules: ``/lib/modules/RELEASE``.
    """

    release: str
    version: str
    image: Path
    modules: Path


def find(root: Path = Path("/")) -> OwnKernel | None:
    """The host's kernel; None where it has no file of it or no modules, as hosts in a cloud."""
    running = os.uname()
    release = running.release
    image, modules = root / "boot" / f"vmlinuz-{release}", modules_folder(root, release)
    if not image.is_file() or not (modules / "modules.builtin").is_file():
        return None
    return OwnKernel(release, running.version, image, modules)


def why_not(own: OwnKernel) -> str | None:
    """Why it cannot be a guest's kernel, in words; None where it can."""
    try:
        check_kernel(own.image, own.modules)
    except GuestBuildError as error:
        return str(error)
    return None


def copy(own: OwnKernel, folder: Path, *, log: Path) -> Kernel:
    """Copy it to `folder`, laid out as a kernel package: the host's may go with its next update.

    Raises:
        BuildError: see `tools.run`.
    """
    boot, modules = folder / "boot", folder / "lib" / "modules"
    boot.mkdir()
    modules.mkdir(parents=True)
    config = own.image.with_name(f"config-{own.release}")
    files = [str(path) for path in (own.image, config) if path.is_file()]
    tools.run("copying the host's kernel", ["cp", *files, str(boot)], log=log)
    copied = ["cp", "--archive", "--reflink=auto", str(own.modules), str(modules)]
    tools.run("copying the host's kernel modules", copied, log=log)
    return Kernel(package=PACKAGE, version=own.version, release=own.release)
