"""Program for the root of a container: try what must be refused, print the results as JSON.

Nothing has an effect: files are opened and closed, calls get arguments that cannot take effect. Yet
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
    "perf_event_open": (298, 0, 0, -1, -1, 0), "userfaultfd": (323, 0),
    "io_uring_setup": (425, 1, 0), "keyctl": (250, 0, 0), "add_key": (248, 0, 0, 0, 0, 0),
    "kexec_load": (246, 0, 0, 0, 0), "init_module": (175, 0, 0, 0),
    "finit_module": (313, -1, 0, 0), "open_by_handle_at": (304, -1, 0, 0),
    "pidfd_getfd": (438, -1, 0, 0), "process_madvise": (440, -1, 0, 0, 0, 0),
    "quotactl": (179, 0, 0, 0, 0), "clone3": (435, 0, 0),
}  # fmt: skip
NAMESPACES = {
    "mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000,
    "pid": 0x20000000, "network": 0x40000000,
}  # fmt: skip
X32 = 0x40000000
#: Only where a filter is: without one, some of these would act.
FILTERED = {
    "kexec_file_load": (320, -1, -1, 0, 0, 0), "delete_module": (176, 0, 0),
    "name_to_handle_at": (303, -1, 0, 0, 0, 0), "io_uring_enter": (426, -1, 0, 0, 0, 0),
    "io_uring_register": (427, -1, 0, 0, 0), "request_key": (249, 0, 0, 0, 0),
    "quotactl_fd": (443, -1, 0, 0, 0), "fsmount": (432, -1, 0, 0), "fspick": (433, -1, 0, 0),
    "fsconfig": (431, -1, 0, 0, 0, 0), "swapon": (167, 0, 0), "reboot": (169, 0, 0, 0, 0),
    "settimeofday": (164, 0, 0), "syslog": (103, 3, 0, 0), "acct": (163, 0), "iopl": (172, 3),
    "ioperm": (173, 0, 1, 1), "vhangup": (153,), "unshare_time": (272, 0x80),
    **{f"clone_{name}": (56, flag | 17, 0, 0, 0, 0) for name, flag in NAMESPACES.items()},
    **{f"unshare_{name}": (272, flag) for name, flag in NAMESPACES.items()},
    "x32_getpid": (X32 | 39,), "x32_execve": (X32 | 520, 0, 0, 0), "x32_bpf": (X32 | 321, 0, 0, 0),
    "x32_mount": (X32 | 165, 0, 0, 0, 0, 0),
}  # fmt: skip
#: Numbers of the 32-bit entry.
CALLS_32 = {
    "getpid": 20, "execve": 11, "mount": 21, "umount": 22, "socketcall": 102, "unshare": 310,
    "keyctl": 288, "bpf": 357, "clone3": 435,
}  # fmt: skip
FILES = (
    "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
    "/proc/sys/fs/binfmt_misc/register", "/proc/sys/fs/suid_dumpable", "/sys/kernel/uevent_helper",
    "/proc/sys/vm/panic_on_oom", "/proc/irq/default_smp_affinity",
    "/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/memory/release_agent",
    "/sys/fs/cgroup/cgroup.procs", "/proc/1/oom_score_adj_absent", "/sys/power/state",
)  # fmt: skip
READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
#: Devices that would be the host's: its memory, ports, log, disks, and the fuse and kvm entries.
DEVICES = {
    "mem": (0o20600, 1, 1), "port": (0o20600, 1, 4), "kmsg": (0o20600, 1, 11),
    "fuse": (0o20600, 10, 229), "kvm": (0o20600, 10, 232), "loop": (0o60600, 7, 0),
    "disk": (0o60600, 254, 0), "another null": (0o20600, 1, 3),
}  # fmt: skip
MASKED = (
    "/proc/asound", "/proc/timer_stats", "/sys/fs/selinux",
    "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/sched_debug", "/proc/timer_list",
    "/proc/latency_stats", "/proc/acpi", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
    "/proc/locks", "/proc/pressure", "/proc/buddyinfo", "/proc/schedstat", "/proc/softirqs",
    "/proc/zoneinfo", "/proc/sys/fs/dentry-state", "/proc/sys/fs/file-nr",
    "/proc/sys/fs/inode-nr", "/proc/sys/fs/inode-state", "/proc/fs", "/proc/irq", "/proc/bus",
    "/sys/devices/virtual/bdi", "/sys/devices/virtual/thermal", "/sys/devices/virtual/workqueue",
    "/sys/devices/LNXSYSTM:00", "/sys/devices/pnp0", "/sys/fs/btrfs", "/sys/fs/ext4", "/sys/fs/xfs",
    "/sys/kernel/irq", "/sys/kernel/mm/ksm",
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
    """A call by the 32-bit entry, from a page of machine code; all arguments are zero."""
    # push rbx; mov eax, number; zero ebx, ecx, edx, esi, edi; int 0x80; pop rbx; ret
    zeros = b"\x31\xdb\x31\xc9\x31\xd2\x31\xf6\x31\xff"
    code = b"\x53\xb8" + number.to_bytes(4, "little") + zeros + b"\xcd\x80\x5b\xc3"
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


def device(mode: int, major: int, minor: int) -> list[str]:
    """Make a node of a device where a container may, then open it; what happened in the end."""
    results = []
    for folder in ("/tmp", "/dev", "/dev/shm", "/dev/pts"):
        path = f"{folder}/made-{major}-{minor}"
        made = attempt(lambda: os.mknod(path, mode, os.makedev(major, minor)))
        results.append(
            attempt(lambda: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK)))
            if made == "ok"
            else made
        )
    return results


def writable(*folders: str) -> list[str]:
    """Every file below them that opens for writing, but for those of processes."""
    found = []
    for folder in folders:
        for place, directories, names in os.walk(folder):
            if place == "/proc":
                directories[:] = [n for n in directories if n.isalpha() and n != "self"]
            paths = (f"{place}/{name}" for name in names)
            found += [p for p in paths if not os.path.islink(p) and opens_for_writing(p)]
    return sorted(found)


def opens_for_writing(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def mounts() -> dict[str, list[str]]:
    """Mount point to file system, its options, and those of the mount."""
    found = {}
    with open("/proc/self/mountinfo") as file:
        for line in file:
            fields, _, tail = line.rstrip("\n").partition(" - ")
            words = fields.split(" ")
            kind, _, options = tail.split(" ", 2)
            found[words[4]] = [kind, *options.split(","), *words[5].split(",")]
    return found


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
        "sockets": {
            name: attempt(
                lambda: socket.socket(family, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC).close()
            )
            for name, family in (("alg", 38), ("vsock", 40))
        },
        "files": {path: open_for_writing(path) for path in FILES},
        "masked": {path: content(path) for path in MASKED},
        "mounts": mounts(),
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
    if sys.argv[1:] == ["all"]:  # what is no business of a container that shows the host's files
        report |= {
            "readonly": {path: attempt(lambda: os.utime(path)) for path in READONLY},
            "made_devices": {name: device(*numbers) for name, numbers in DEVICES.items()},
            "changed_devices": {
                name: attempt(lambda: os.chmod(f"/dev/{name}", 0o666))
                for name in ("null", "zero", "full", "random", "urandom", "tty")
            },
            "writable": writable("/proc", "/sys", "/dev"),
            "calls_32": {name: int80(number) for name, number in CALLS_32.items()},
        }
    # last, since some would change what the rest reports if they were let through
    calls = CALLS | FILTERED if sys.argv[1:] == ["all"] else CALLS
    report["calls"] = {name: call(*args) for name, args in calls.items()}
    json.dump(report, sys.stdout)
