"""Kernel parameters: where they are, and to which namespace they belong.

Sources: sysctl(8) for the two ways to write a name; ipc/ipc_sysctl.c, ipc/mq_sysctl.c,
kernel/utsname_sysctl.c and kernel/ucount.c (kernel 6.18) for what is kept per namespace. Of `net`
the kernel shows a namespace only what that has of its own.
"""

from __future__ import annotations

_IPC = (
    "auto_msgmni",
    "msg_next_id",
    "msgmax",
    "msgmnb",
    "msgmni",
    "sem",
    "sem_next_id",
    "shm_next_id",
    "shm_rmid_forced",
    "shmall",
    "shmmax",
    "shmmni",
)
_UTS = ("hostname", "domainname")


def parts(name: str) -> tuple[str, ...] | None:
    """Directories and file below /proc/sys; None where the name can mean nothing there.

    "net.ipv4.conf.eth0/100.rp_filter" and "net/ipv4/conf/eth0.100/rp_filter" are the same: the
    first separator decides, and the other sign stands for it inside a part.
    """
    slashed = next((sign for sign in name if sign in "./"), ".") == "/"
    found = name.split("/") if slashed else [part.replace("/", ".") for part in name.split(".")]
    # a part "//" has become ".." here, and would lead to any other parameter
    if any(part in ("", ".", "..") or "\0" in part for part in found):
        return None
    return tuple(found)


def owner(name: str) -> str | None:
    """Type of the namespace that has its own value; None for what all of the host shares."""
    match parts(name):
        case ("kernel", leaf) if leaf in _IPC:
            return "ipc"
        case ("kernel", leaf) if leaf in _UTS:
            return "uts"
        case ("fs", "mqueue", _):
            return "ipc"
        case ("net", _, *_):
            return "network"
        case ("user", _):
            return "user"
    return None
