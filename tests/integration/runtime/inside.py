"""Runs inside a container, as its root: tries what must not work, prints what happened as JSON.

Nothing here acts: files are opened and closed, calls get arguments that cannot take effect. Yet
never run it on a host, where some of it would succeed.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)
CALLS = {
    "mount": (165, 0, 0, 0, 0, 0), "umount2": (166, 0, 0), "pivot_root": (155, 0, 0),
    "fsopen": (430, 0, 0), "move_mount": (429, -1, 0, -1, 0, 0), "open_tree": (428, -1, 0, 0),
    "mount_setattr": (442, -1, 0, 0, 0, 0), "setns": (308, -1, 0), "bpf": (321, 0, 0, 0),
    "unshare_user": (272, 0x10000000), "unshare_mount": (272, 0x20000),
    "perf_event_open": (298, 0, 0, -1, -1, 0), "userfaultfd": (323, 0),
    "io_uring_setup": (425, 1, 0), "keyctl": (250, 0, 0), "add_key": (248, 0, 0, 0, 0, 0),
    "kexec_load": (246, 0, 0, 0, 0), "init_module": (175, 0, 0, 0),
    "finit_module": (313, -1, 0, 0), "open_by_handle_at": (304, -1, 0, 0),
    "pidfd_getfd": (438, -1, 0, 0), "process_madvise": (440, -1, 0, 0, 0, 0),
    "quotactl": (179, 0, 0, 0, 0), "clone3": (435, 0, 0),
    "clone_newuser": (56, 0x10000011, 0, 0, 0, 0), "clone_newnet": (56, 0x40000011, 0, 0, 0, 0),
    "x32_getpid": (0x40000000 | 39,),
}  # fmt: skip
FILES = (
    "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
    "/proc/sys/fs/binfmt_misc/register", "/proc/sys/fs/suid_dumpable", "/sys/kernel/uevent_helper",
    "/proc/sys/vm/panic_on_oom", "/proc/irq/default_smp_affinity",
    "/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/memory/release_agent",
    "/sys/fs/cgroup/cgroup.procs", "/proc/1/oom_score_adj_absent", "/sys/power/state",
)  # fmt: skip
MASKED = (
    "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/sched_debug", "/proc/timer_list",
    "/proc/latency_stats", "/proc/acpi", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
)  # fmt: skip


def call(*args: int) -> str:
    ctypes.set_errno(0)
    result = libc.syscall(*[ctypes.c_long(arg) for arg in args])
    if args[0] == 56 and result == 0:
        os._exit(0)  # a clone that succeeded after all
    return "ok" if result >= 0 else errno.errorcode[ctypes.get_errno()]


def attempt(action: Callable[[], object]) -> str:
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"


def int80(number: int) -> str:
    """getpid by the 32-bit entry, from a page of machine code."""
    code = b"\xb8" + number.to_bytes(4, "little") + b"\xcd\x80\xc3"
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    result = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    return "ok" if result >= 0 else errno.errorcode[-result]


def open_for_writing(path: str) -> str:
    def action() -> None:
        os.close(os.open(path, os.O_WRONLY))

    return attempt(action)


def content(path: str) -> str:
    if not os.path.exists(path):
        return "absent"
    try:
        if os.path.isdir(path):
            return f"{len(os.listdir(path))} entries"
        with open(path, "rb") as file:
            return f"{len(file.read(4096))} bytes"
    except OSError as error:
        return errno.errorcode[error.errno]


def block_device() -> list[str]:
    """Make a node of the host's disk where a container may, then open it."""
    results = []
    for folder in ("/tmp", "/dev", "/dev/shm"):
        path = f"{folder}/disk"
        made = attempt(lambda: os.mknod(path, 0o60600, os.makedev(254, 0)))
        results.append(
            attempt(lambda: os.close(os.open(path, os.O_RDONLY))) if made == "ok" else made
        )
    return results


def link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError as error:
        return errno.errorcode[error.errno]


def status() -> dict[str, str]:
    with open("/proc/self/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


if __name__ == "__main__":
    report = {
        "int80_getpid": int80(20),
        "sockets": {
            name: attempt(
                lambda: socket.socket(family, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC).close()
            )
            for name, family in (("alg", 38), ("vsock", 40))
        },
        "files": {path: open_for_writing(path) for path in FILES},
        "masked": {path: content(path) for path in MASKED},
        "block_device": block_device(),
        "devices": sorted(
            name for name in os.listdir("/dev") if not os.path.islink(f"/dev/{name}")
        ),
        "status": status(),
        "pids": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
        "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd")),
        "links": sorted(os.listdir("/sys/class/net")),
        "hostname": socket.gethostname(),
        "uid_map": open("/proc/self/uid_map").read().split(),
        "environment": sorted(os.environ),
        "exe": link("/proc/1/exe"),
        "cwd": os.getcwd(),
        "namespaces": {
            name: os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")
        },
        "uptime": float(open("/proc/uptime").read().split()[0]),
        "owner": os.stat("/usr/bin/python3").st_uid,
        "root_writable": attempt(lambda: os.close(os.open("/new", os.O_CREAT | os.O_WRONLY))),
    }
    # last, since some would change what the rest reports if they were let through
    report["calls"] = {name: call(*args) for name, args in CALLS.items()}
    json.dump(report, sys.stdout)
