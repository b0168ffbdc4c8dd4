"""The hosts that can be booted: what is installed on each, and what machine it runs on."""

from dataclasses import dataclass

BASE = (
    # what a user of the README has: git, make, root by SSH
    "ca-certificates",
    "git",
    "make",
    "openssh-server",
    "sudo",
    # what makes it an ordinary host
    "apparmor",
    "cron",
    "dbus",
    "initramfs-tools",
    "iproute2",
    "kmod",
    "libpam-systemd",
    "nftables",
    "systemd-sysv",
    "udev",
    # other users of containers; their services are started by the tests that want them
    "docker-cli",
    "docker.io",
    "podman",
)


@dataclass(frozen=True, slots=True)
class Host:
    """One host.

    Attributes:
        name: as the command line and the tests name it.
        about: what is ordinary or special about it, in a few words.
        suite: the Debian release.
        packages: installed before the project sets itself up.
        kernel: the kernel's package.
        kernel_suite: the release that `kernel` comes from, where it is not `suite`.
        cpus: how many virtual CPUs.
        memory_mib: its memory, taken as it is touched.
        cpu: QEMU's CPU model. SVM is emulated by TCG, so KVM inside is real.
        machine: more of QEMU's arguments.
        arguments: more of the kernel's command line.
    """

    name: str
    about: str
    suite: str = "trixie"
    packages: tuple[str, ...] = BASE
    kernel: str = "linux-image-cloud-amd64"
    kernel_suite: str = ""
    cpus: int = 2
    memory_mib: int = 6144
    cpu: str = "max,+svm,+npt"
    machine: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


DEBIAN_13 = Host("debian13", "Debian 13: systemd, cgroup v2, AppArmor, a KVM that accelerates")
_TWO_NODES = (
    *("-object", "memory-backend-ram,id=m0,size=3G", "-numa", "node,nodeid=0,cpus=0-1,memdev=m0"),
    *("-object", "memory-backend-ram,id=m1,size=3G", "-numa", "node,nodeid=1,cpus=2-3,memdev=m1"),
)
HOSTS = {
    host.name: host
    for host in (
        DEBIAN_13,
        Host("no-svm", "Debian 13 without virtualisation", cpu="max,-svm"),
        Host("numa", "Debian 13 with two NUMA nodes", cpus=4, machine=_TWO_NODES),
        Host("isolcpus", "Debian 13 with a CPU set apart", cpus=4, arguments=("isolcpus=1",)),
        Host("lockdown", "Debian 13 locked down", arguments=("lockdown=integrity",)),
        Host(
            "libvirtd",
            "Debian 13 with libvirtd",
            packages=(*BASE, "libvirt-daemon-system", "libvirt-clients"),
        ),
        Host("linux-6.1", "Debian 13 with Debian 12's kernel", kernel_suite="bookworm"),
    )
}
