"""An image's kernel: chosen, laid beside the tree, and renewed alone.

The host's own is preferred, where it can be a guest's; else the distribution's package is fetched.
What the host has as a file needs neither network nor apt.
"""

from pathlib import Path

from benchmarks.image import boot, busybox, kernel, own_kernel, store
from benchmarks.image.digest import tree_digest
from benchmarks.image.model import Image, Kernel, KernelPart
from benchmarks.image.own_kernel import HostKernel
from benchmarks.image.sources import Host
from benchmarks.image.store import Progress


def stale(image: Image) -> bool:
    """Is another kernel of the host to be taken in, or what was made of the present one renewed?"""
    if image.part is None:
        return own_kernel.find() is not None
    current = image.part.manifest
    own = None if current.pinned else own_kernel.find()
    newer = own is not None and _identity(own) != current.host
    return newer or current.boot_key != boot.key(current.version)


def renew(image: Image, work: Path, *, log: Path, progress: Progress) -> Image:
    """Bring an image's kernel up to date with the host's; the caller holds the cache's lock.

    Raises:
        BuildError: see `tools.run`.
    """
    own = own_kernel.find()
    current = None if image.part is None else image.part.manifest
    wanted = current is None or not (
        current.pinned or own is None or _identity(own) == current.host
    )
    if own is not None and wanted:
        reason = own_kernel.why_not(own)
        if reason is None:
            progress(f"taking in the host's own kernel {own.release}")
            made = from_host(own, image.root, work, log=log, progress=progress)
            return boot_renewed(store.use_kernel(image, made), progress)
        progress(_left_out(own, reason))
        if current is not None:
            image = store.replace_kernel(image, host=_identity(own))
    return boot_renewed(image, progress)


def boot_renewed(image: Image, progress: Progress) -> Image:
    """Make vmlinux and initramfs anew where this package's own code has changed since.

    Raises:
        BuildError: it cannot be done.
    """
    if image.part is None:
        return image
    current = boot.key(image.part.manifest.version)
    if image.part.manifest.boot_key == current:
        return image
    progress("making vmlinux and initramfs anew")
    _boot(image.part, image.root)
    return store.replace_kernel(image, boot_key=current)


def choose(root: Path, work: Path, host: Host, *, log: Path, progress: Progress) -> Path:
    """Make the kernel of a fresh tree; returns its folder in `work`, named by its digest.

    Raises:
        BuildError: see `tools.run`.
    """
    own = own_kernel.find()
    if own is not None:
        reason = own_kernel.why_not(own)
        if reason is None:
            progress(f"copying the host's own kernel {own.release}")
            return from_host(own, root, work, log=log, progress=progress)
        progress(_left_out(own, reason))
    progress("downloading and unpacking the guest's kernel")
    folder = work / "kernel"
    folder.mkdir()
    found = kernel.fetch(folder, host, log=log)
    return finish(work, root, found, host="" if own is None else _identity(own), progress=progress)


def from_host(
    own: HostKernel,
    root: Path,
    work: Path,
    *,
    log: Path,
    progress: Progress,
    pinned: bool = False,
) -> Path:
    """Make a kernel's folder of the host's files; see `choose`."""
    found = own_kernel.copy(own, work / "kernel", log=log)
    host = "" if pinned else _identity(own)
    return finish(work, root, found, host=host, pinned=pinned, progress=progress)


def finish(
    work: Path,
    root: Path,
    found: kernel.Kernel,
    *,
    progress: Progress,
    host: str = "",
    pinned: bool = False,
) -> Path:
    """Make of the unpacked kernel at `work`/kernel an image's kernel; see `choose`."""
    progress("making vmlinux and initramfs")
    digest = tree_digest(work / "kernel")
    folder = work / digest.removeprefix("sha256:")
    folder.mkdir()
    (work / "kernel").rename(folder / "kernel")
    said = Kernel(
        digest=digest,
        release=found.release,
        package=found.package,
        version=found.version,
        host=host,
        pinned=pinned,
        boot_key=boot.key(found.version),
    )
    _boot(KernelPart(folder, said), root)
    store.write_kernel(folder, said)
    return folder


def _boot(part: KernelPart, root: Path) -> None:
    boot.make(part.folder, part.image, part.modules, busybox.find(root))


def _identity(own: HostKernel) -> str:
    return f"{own.release} {own.version}"


def _left_out(own: HostKernel, reason: str) -> str:
    return f"leaving the host's own kernel {own.release} out: {reason}"
