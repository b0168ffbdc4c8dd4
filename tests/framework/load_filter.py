"""Program that changes its root, loads a filter and executes a program, and nothing else.

python -I -S load_filter.py ROOT FILTER FLAGS PROGRAM [ARGUMENT...]
"""

from __future__ import annotations

import ctypes
import os
import sys


def main(root: str, file: str, flags: str, *argv: str) -> None:
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    program = os.read(fd, 1 << 16)
    os.close(fd)
    os.chroot(root)
    os.chdir("/")
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(program, len(program))

    class SockFprog(ctypes.Structure):
        _fields_ = (("len", ctypes.c_uint16), ("filter", ctypes.c_void_p))

    fprog = SockFprog(len(program) // 8, ctypes.addressof(buffer))
    number = {"x86_64": 317, "aarch64": 277}[os.uname().machine]
    if libc.prctl(38, 1, 0, 0, 0):
        sys.exit("no_new_privs is refused")
    # from here on every call may be reported or refused
    if libc.syscall(number, 1, int(flags), ctypes.byref(fprog)) < 0:
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
    os.execve(argv[0], argv, {"PATH": "/usr/bin:/usr/sbin:/bin", "HOME": "/root"})


if __name__ == "__main__":
    main(*sys.argv[1:])
