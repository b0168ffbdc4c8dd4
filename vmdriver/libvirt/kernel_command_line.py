"""Write the command line of a guest's kernel."""

from vmdriver.architecture import AARCH64, of
from vmdriver.config import VmConfig
from vmdriver.libvirt.devices_xml import DISK, SHARE
from vmdriver.microguest.tsc import host_khz
from vmdriver.profile import MICROVM, Profile

_KERNEL_PARAMETERS = (
    "loglevel=6",  # one notice with the version, warnings, panics
    "panic=-1",  # restart at once, which QEMU is told to treat as the end
)
# An early console replays what the kernel has said so far as soon as it can write, long before the
# real console. A bzImage's own set-up code knows the older of the two and speaks from its first
# instructions on (Linux arch/x86/boot/early_serial_console.c).
_EARLY_CONSOLE = {
    "vmlinux": "earlycon=uart8250,io,0x3f8",
    "bzimage": "earlyprintk=serial,ttyS0,115200",
}
_EARLY_PL011 = "earlycon=pl011,0x9000000"  # QEMU hw/arm/virt.c, VIRT_UART0
_9P_OPTIONS = "trans=virtio,version=9p2000.L,msize=512000,cache=loose"  # what is there stays so


def kernel_command_line(config: VmConfig) -> str:
    """The kernel's command line for ``config``."""
    profile = config.resolved_profile()
    root = SHARE if config.shared else f"/dev/{DISK}"
    # Told by the kernel's own words, the kernel would make the initramfs a ramfs instead of a tmpfs
    # (init_rootfs()), and that is the writable half of the root: without O_DIRECT or a limit.
    names = ("tare.root", "tare.fs", "tare.flags")
    if profile.init != "tare":
        names = ("root", "rootfstype", "rootflags")
    flags = (f"{names[2]}={_9P_OPTIONS}",) if config.disk_type == "9p" else ()
    return " ".join(
        (
            f"console={of(config.architecture).console}",
            *_KERNEL_PARAMETERS,
            _early_console(config, profile),
            *(f"{names[0]}={root}", f"{names[1]}={config.disk_type}", *flags, "ro"),
            f"tare.load={','.join(_drivers(config, profile))}",
            f"hostname={config.hostname}",
            *((config.network.parameter,) if config.network is not None else ()),
            *_tsc_frequency(config, profile),
            *profile.kernel_parameters,
            *config.kernel_parameters,
        )
    )


def _early_console(config: VmConfig, profile: Profile) -> str:
    if config.architecture == AARCH64.name:
        return _EARLY_PL011
    return _EARLY_CONSOLE.get(profile.kernel, _EARLY_CONSOLE["vmlinux"])


def _tsc_frequency(config: VmConfig, profile: Profile) -> tuple[str, ...]:
    blind = profile.machine.startswith(MICROVM) and config.accelerator == "tcg"
    return (f"tsc_early_khz={host_khz()}",) if blind else ()


def _drivers(config: VmConfig, profile: Profile) -> list[str]:
    """What the guest's init has to load, where it is a module: see ``guest/initramfs.py``."""
    wanted = {
        "virtio_mmio": profile.machine.startswith(MICROVM),
        "virtio_blk": not config.shared,
        config.disk_type: True,
        "virtio_balloon": profile.balloon or profile.free_page_reporting,
        "virtio_rng": profile.rng,
        "virtio_net": profile.network or config.network is not None,
    }
    return [name for name, there in wanted.items() if there]
