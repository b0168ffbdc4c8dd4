"""Linux capabilities by name (include/uapi/linux/capability.h, kernel 6.18)."""

from __future__ import annotations

_NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
    "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
    "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip

NUMBERS = {f"CAP_{name}": number for number, name in enumerate(_NAMES)}
ALL = tuple(NUMBERS)

#: Podman's default set: Docker's fourteen less MKNOD, NET_RAW and AUDIT_WRITE.
PODMAN = tuple(
    f"CAP_{name}"
    for name in (
        "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP",
        "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    )
)  # fmt: skip
DOCKER = (*PODMAN, "CAP_MKNOD", "CAP_NET_RAW", "CAP_AUDIT_WRITE")


def mask(names: tuple[str, ...]) -> int:
    """Bit mask of the named capabilities.

    Raises:
        KeyError: a name is unknown.
    """
    bits = 0
    for name in names:
        bits |= 1 << NUMBERS[name]
    return bits
