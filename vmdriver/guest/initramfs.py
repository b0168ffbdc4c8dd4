"""Build the initramfs: busybox, a few modules, two scripts.

Modules lie in one folder for each thing the guest may be asked to drive (``tare.load`` on its
command line), dependencies included; what is built into the kernel has none. A driver that is not
asked for costs the few bytes it takes here.

It is written uncompressed: the guest of an emulator decompresses slower than the host reads, and
under KVM either takes milliseconds. What it does at boot stands in ``init.sh`` and ``agent.sh``.
"""

import struct
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from vmdriver.architecture import ARCHITECTURES, Architecture
from vmdriver.errors import GuestBuildError
from vmdriver.guest import cpio, relay
from vmdriver.guest.modules import NEEDED, Modules

ON_DEMAND: Mapping[str, tuple[str, ...]] = {
    "virtio_mmio": ("virtio_mmio",),
    "virtio_blk": ("virtio_blk",),
    "erofs": ("erofs",),
    "ext4": ("ext4",),
    "virtiofs": ("virtiofs",),
    "9p": ("9pnet_virtio", "9p"),
    "virtio_balloon": ("virtio_balloon",),
    "virtio_net": ("virtio_net",),
    "virtio_rng": ("virtio_rng",),
}
"""What ``tare.load`` can name, and the modules behind it where the kernel has them as such."""

_LINKERS = (b"/lib64/ld-linux", b"/lib/ld-linux", b"/lib/ld-musl")
_MACHINE_AT = 18  # e_machine
_ALWAYS = ("virtio_pci", "virtio_console", "overlay")

_FSTAB_KERNEL = """\
devtmpfs /dev devtmpfs nosuid 0 0
proc /proc proc nosuid,nodev,noexec 0 0
sysfs /sys sysfs nosuid,nodev,noexec 0 0
"""
# The upper directory lies on the initramfs's own tmpfs: one mount fewer, the same RAM.
_FSTAB_ROOT = """\
overlay /root overlay lowerdir=/image,upperdir=/upper,workdir=/work 0 0
devtmpfs /root/dev devtmpfs nosuid 0 0
proc /root/proc proc nosuid,nodev,noexec 0 0
sysfs /root/sys sysfs nosuid,nodev,noexec 0 0
devpts /root/dev/pts devpts nosuid,noexec,gid=5,mode=620,ptmxmode=666 0 0
shm /root/dev/shm tmpfs nosuid,nodev,noexec,mode=1777 0 0
mqueue /root/dev/mqueue mqueue nosuid,nodev,noexec 0 0
"""
# What udev would add to devtmpfs, and the mount points in it.
_DEV_DIRECTORIES = ("mqueue", "pts", "shm")
_DEV_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
)
_DIRECTORIES = (
    ("bin", 0o755),
    ("dev", 0o755),
    ("dev.more", 0o755),
    ("etc", 0o755),
    ("image", 0o755),
    ("modules", 0o755),
    ("proc", 0o555),
    ("root", 0o755),
    ("sys", 0o555),
    # An image need not have the mount points itself: these stand above it in the overlay.
    ("upper", 0o755),
    ("upper/dev", 0o755),
    ("upper/proc", 0o555),
    ("upper/sys", 0o555),
    ("work", 0o755),
)


def build_initramfs(modules: Path, busybox: Path, out: Path) -> None:
    """Write the initramfs for the kernel whose modules are given.

    The same inputs give the same bytes.

    Args:
        modules: ``…/lib/modules/RELEASE`` of the kernel that will boot it.
        busybox: a statically linked busybox with a shell (Debian: ``busybox-static``).
        out: replaced in one step; untouched when anything fails.

    Raises:
        GuestBuildError: a module is missing, or busybox is missing, dynamically linked or of an
            architecture whose VMs are not driven.
    """
    shell = _static(busybox)
    entries = [cpio.directory(path, permissions) for path, permissions in _DIRECTORIES]
    entries += [cpio.directory(f"dev.more/{name}") for name in _DEV_DIRECTORIES]
    entries += [cpio.link(f"dev.more/{name}", target) for name, target in _DEV_LINKS]
    # The kernel opens /dev/console for the first process before anything is mounted.
    entries += [
        cpio.character_device("dev/console", 5, 1),
        # Between the commands and the ports of their output: see agent.sh.
        cpio.pipe("pipe.out"),
        cpio.pipe("pipe.err"),
        cpio.file("bin/busybox", shell, 0o755),
        cpio.file("relay", relay.program(_architecture(shell, busybox)), 0o755),
        cpio.file("init", _script("init.sh"), 0o755),
        cpio.file("agent.sh", _script("agent.sh"), 0o644),
        cpio.file("etc/fstab.kernel", _FSTAB_KERNEL.encode()),
        cpio.file("etc/fstab.root", _FSTAB_ROOT.encode()),
    ]
    entries += _modules(Modules(modules))
    partial = out.with_name(out.name + ".partial")
    try:
        partial.write_bytes(cpio.archive(entries))
        partial.replace(out)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise GuestBuildError(f"cannot write the initramfs {out}: {error.strerror}") from error


def _modules(known: Modules) -> list[cpio.Entry]:
    known.ordered(NEEDED)  # raises for what is missing
    entries = []
    for folder, wanted in {"always": _ALWAYS, **ON_DEMAND}.items():
        found = known.ordered(wanted, optional=True)
        if found:
            entries.append(cpio.directory(f"modules/{folder}"))
        # The numbers keep the order of loading under the shell's sorted glob.
        entries += [
            cpio.file(f"modules/{folder}/{number:02}-{name}.ko", content)
            for number, (name, content) in enumerate(found)
        ]
    return entries


def _script(name: str) -> bytes:
    return resources.files("vmdriver.guest").joinpath(name).read_bytes()


def _static(busybox: Path) -> bytes:
    try:
        content = busybox.read_bytes()
    except OSError as error:
        raise GuestBuildError(
            f"cannot read busybox at {busybox}: {error.strerror}; install busybox-static"
        ) from error
    if any(linker in content[:4096] for linker in _LINKERS):
        raise GuestBuildError(
            f"{busybox} is dynamically linked and cannot run alone; install busybox-static"
        )
    return content


def _architecture(program: bytes, path: Path) -> Architecture:
    """What the ELF file runs on, and so the guest: ``e_machine`` of elf(5)."""
    machine = program[_MACHINE_AT : _MACHINE_AT + 2]
    for one in ARCHITECTURES.values():
        if machine == struct.pack("<H", one.elf):
            return one
    raise GuestBuildError(
        f"{path} is no program of {' or '.join(ARCHITECTURES)}; give a busybox of the kernel's own "
        "architecture"
    )
