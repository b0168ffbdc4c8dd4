"""bpf(2), as much of it as a group's device program takes.

Source: include/uapi/linux/bpf.h, union bpf_attr and struct bpf_prog_info. Imported only where a
container has a device list.
"""

from __future__ import annotations

import ctypes
import os
import struct

from runtime import syscalls

_PROG_LOAD, _PROG_ATTACH, _PROG_DETACH = 5, 8, 9
_PROG_GET_FD_BY_ID, _OBJ_GET_INFO_BY_FD, _PROG_QUERY = 13, 15, 16
_TYPE_CGROUP_DEVICE = 15
_ATTACH_CGROUP_DEVICE = 6
_ALLOW_MULTI = 2
#: Bytes of one instruction.
INSTRUCTION = 8
# where struct bpf_prog_info has the name, and its length
_NAME_AT = 64
_NAME_BYTES = 16
#: Programs that one group can have (BPF_CGROUP_MAX_PROGS).
_MOST_ATTACHED = 64


def load(program: bytes, name: str) -> int:
    """Have the kernel check a device program; its descriptor, close-on-exec.

    Args:
        program: an array of struct bpf_insn.
        name: what the kernel lists it as, at most 15 characters.

    Raises:
        OSError: the kernel refused; EPERM without CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN.
    """
    code = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(b"Apache-2.0")  # it calls nothing that asks for the GPL
    return syscalls.bpf(
        _PROG_LOAD,
        bytearray(
            struct.pack(
                "IIQQIIQII16s",
                _TYPE_CGROUP_DEVICE,
                len(program) // INSTRUCTION,
                ctypes.addressof(code),
                ctypes.addressof(licence),
                0,
                0,
                0,
                0,
                0,
                name.encode(),
            )
        ),
    )


def attach(group: int, program: int) -> None:
    """Attach a program to the group that is open as `group`, beside any others.

    All programs of a group and of those above it have to allow an access (BPF_F_ALLOW_MULTI).
    The group holds the program from then on, and lets go of it when it is removed.
    """
    syscalls.bpf(
        _PROG_ATTACH,
        bytearray(struct.pack("IIII", group, program, _ATTACH_CGROUP_DEVICE, _ALLOW_MULTI)),
    )


def detach(group: int, program: int) -> None:
    """Detach a program from a group."""
    syscalls.bpf(
        _PROG_DETACH, bytearray(struct.pack("IIII", group, program, _ATTACH_CGROUP_DEVICE, 0))
    )


def attached(group: int, name: str) -> list[int]:
    """Descriptors of the programs of this name that are attached to the group itself."""
    ids = (ctypes.c_uint32 * _MOST_ATTACHED)()
    query = bytearray(
        struct.pack(
            "IIIIQII", group, _ATTACH_CGROUP_DEVICE, 0, 0, ctypes.addressof(ids), _MOST_ATTACHED, 0
        )
    )
    syscalls.bpf(_PROG_QUERY, query)
    (count,) = struct.unpack_from("I", query, 24)
    found: list[int] = []
    try:
        for number in ids[:count]:
            found.append(
                syscalls.bpf(_PROG_GET_FD_BY_ID, bytearray(struct.pack("III", number, 0, 0)))
            )
            if _name(found[-1]) != name:
                os.close(found.pop())
    except OSError:
        for program in found:
            os.close(program)
        raise
    return found


def _name(program: int) -> str:
    info = ctypes.create_string_buffer(_NAME_AT + _NAME_BYTES)
    request = struct.pack("IIQ", program, len(info), ctypes.addressof(info))
    syscalls.bpf(_OBJ_GET_INFO_BY_FD, bytearray(request))
    return info.raw[_NAME_AT:].partition(b"\0")[0].decode()
