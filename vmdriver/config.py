"""Describe a VM: its size, its files, its deadlines. How it is made: `vmdriver.profile`."""

import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from vmdriver.architecture import of, of_machine, unsupported
from vmdriver.errors import ConfigError
from vmdriver.host import hugepages, uefi
from vmdriver.host.cpus import nodes_of
from vmdriver.network import Network
from vmdriver.profile import (
    DIRECT,
    PROFILES,
    PROFILES_OF,
    SEABIOS,
    UEFI,
    Profile,
    installed,
)

ACCELERATORS = ("kvm", "tcg")
"""Hardware virtualization, and QEMU's own translation."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,31}")
_HOSTNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}")
_SMALLEST_MEMORY_MIB = 32

SHARED = ("virtiofs", "9p")
"""File systems that show the guest a directory of the host instead of a disk."""


@dataclass(frozen=True)
class Deadlines:
    """Seconds each phase of a VM's life may take before it is given up, by name of the phase.

    The defaults suit an emulated guest on a busy host; none is reached by a healthy one.

    Attributes:
        vmm_s: from libvirt's return until QEMU has connected its ports and taken the payload's
            words. Before, libvirt's own limit of 30 s holds.
        kernel_s: from there until the kernel's first byte.
        init_s: from there until our init's line.
        main_s: from there until the payload's first byte.
        agent_s: until the guest acknowledges a command or ends a killed one.
        gone_s: from the guest's power-off until QEMU has ended.
    """

    vmm_s: float = 60.0
    kernel_s: float = 30.0
    init_s: float = 60.0
    main_s: float = 60.0
    agent_s: float = 20.0
    gone_s: float = 5.0


@dataclass(frozen=True)
class VmConfig:
    """One VM.

    Attributes:
        name: letters, digits and ``_.+-``, at most 32 characters: part of socket paths.
        kernel: bzImage, or vmlinux for the PVH entry; on arm64 the ``Image``.
        initrd: as `vmdriver.guest.build_initramfs` makes it.
        disk: the image as one read-only file system; the image's directory where the type is one
            of `SHARED`.
        disk_type: that file system's type as the kernel names it.
        vcpus: number of virtual CPUs.
        memory_mib: the guest's RAM in MiB.
        accelerator: ``kvm`` or ``tcg``.
        profile: a name in `PROFILES`, or a profile of one's own.
        architecture: the guest's, as uname(2) says; the host's unless given. Another one's guests
            run under ``tcg`` alone.
        cpuset: host CPUs all of QEMU's threads may use; None leaves them free.
        cgroups: directories of existing cgroups, one of each hierarchy, that QEMU is moved into
            before its guest runs. Who made them removes them.
        cpu_features_off: CPU features this host's KVM cannot give; the audit finds them.
        payload: program and arguments; file descriptor 3 is the stamp port, to which it writes
            one byte, ``m``, before anything else. Its output goes into the console's log.
        environment: the payload's environment.
        directory: the payload's working directory.
        hostname: the guest's; the same in every guest, as it is in every container, so that
            it tells nothing of the host.
        network: how the guest reaches others; None for no interface at all, or the unconfigured
            one of its profile.
        kernel_parameters: appended after the profile's.
        deadlines: when to give up.
        console_limit_bytes: what of the console is kept on disk.
    """

    name: str
    kernel: Path
    initrd: Path
    disk: Path
    vcpus: int = 1
    memory_mib: int = 256
    accelerator: str = "tcg"
    profile: str | Profile = "tuned"
    architecture: str = field(default_factory=platform.machine)
    cpuset: frozenset[int] | set[int] | None = None
    cgroups: tuple[Path, ...] = ()
    cpu_features_off: tuple[str, ...] = ()
    payload: tuple[str, ...] = ("sh", "-c", "echo m >&3")
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str = "/"
    disk_type: str = "erofs"
    hostname: str = "tare"
    network: Network | None = None
    kernel_parameters: tuple[str, ...] = ()
    deadlines: Deadlines = field(default_factory=Deadlines)
    console_limit_bytes: int = 1 << 20

    def resolved_profile(self) -> Profile:
        """The profile itself, as far as this host can give it.

        Huge pages only where enough are free; and a named profile gets SeaBIOS where its own
        firmware is not installed.

        Raises:
            ConfigError: for a name that is none.
        """
        profile, known = self.profile, PROFILES_OF.get(self.architecture, PROFILES)
        if not isinstance(profile, Profile):
            try:
                profile = installed(known[profile])
            except KeyError:
                raise ConfigError(
                    f"there is no VM profile {profile!r} of {self.architecture}; "
                    f"there are {', '.join(known)}"
                ) from None
        if not profile.hugepages:
            return profile
        nodes = nodes_of(frozenset(self.cpuset)) if profile.pin and self.cpuset else ()
        return replace(profile, hugepages=hugepages.fit(self.memory_mib, nodes))

    @property
    def shared(self) -> bool:
        """Whether the image is a directory of the host."""
        return self.disk_type in SHARED

    def check(self) -> None:
        """Raise ConfigError for what can be seen to fail before anything is started."""
        self._check_names()
        self._check_machine(self.resolved_profile())
        if self.network is not None:
            self.network.check()
        if self.accelerator not in ACCELERATORS:
            raise ConfigError(
                f"there is no accelerator {self.accelerator!r}; there are {', '.join(ACCELERATORS)}"
            )
        if self.vcpus < 1:
            raise ConfigError(f"a VM needs at least one vCPU, not {self.vcpus}")
        if self.memory_mib < _SMALLEST_MEMORY_MIB:
            raise ConfigError(
                f"{self.memory_mib} MiB do not hold a Linux kernel; give {_SMALLEST_MEMORY_MIB}"
            )
        if not self.payload:
            raise ConfigError("a VM needs a payload: a program and its arguments")
        self._check_files()

    def _check_machine(self, profile: Profile) -> None:
        host = platform.machine()
        reason = unsupported(host) or unsupported(self.architecture)
        if reason is not None:
            raise ConfigError(reason)
        if self.accelerator == "kvm" and self.architecture != host:
            raise ConfigError(
                f"KVM runs guests of the host's own architecture, {host}, and not of "
                f"{self.architecture}; use tcg"
            )
        own = of(self.architecture)
        if of_machine(profile.machine) != own:
            raise ConfigError(
                f"{self.architecture} has no machine {profile.machine}; use {own.machine}"
            )
        direct = own.machine == "virt"
        if profile.firmware == (SEABIOS if direct else DIRECT):
            raise ConfigError(
                f"the machine {profile.machine} has no firmware {profile.firmware!r}; use "
                f"{DIRECT if direct else SEABIOS} or {UEFI}"
            )
        if profile.firmware == UEFI:
            uefi.find(profile.machine)

    def _check_names(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"{self.name!r} cannot name a VM; use 1 to 32 letters, digits and _ . + -"
            )
        if not _HOSTNAME.fullmatch(self.hostname):
            raise ConfigError(
                f"{self.hostname!r} cannot name a host; use 1 to 63 letters, digits and - or ."
            )

    def _check_files(self) -> None:
        files = [("kernel", self.kernel), ("initrd", self.initrd)]
        if not self.shared:
            files.append(("disk", self.disk))
        elif not self.disk.is_dir():
            raise ConfigError(f"{self.disk} is no directory to share by {self.disk_type}")
        for what, path in files:
            if not path.is_file():
                raise ConfigError(f"the {what} {path} is not there; build the image first")
            if path.stat().st_size == 0:
                raise ConfigError(f"the {what} {path} is empty; build the image again")
        for group in self.cgroups:
            if not (group / "cgroup.procs").exists():
                raise ConfigError(f"{group} is no cgroup; make one for the VM {self.name} first")
