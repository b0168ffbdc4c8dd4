"""Count the micro-guest's loop on the host's CPU; print loops per second of CPU time.

A process of its own (``python -I -S native.py HEX SECONDS``): machine code in the harness would put
the harness at risk on a host with another architecture.

The page is made executable only once it is written: some hosts refuse one that is both, and that
change is when Linux makes the instruction cache of an arm64 CPU agree with what was written
(``arch/arm64/mm/flush.c``).
"""

import ctypes
import mmap
import sys
import time

_FIRST = 1 << 20
_LARGEST = 1 << 31


def main(code: bytes, seconds: float) -> None:
    """Double the count until one call takes ``seconds``."""
    page = mmap.mmap(-1, mmap.PAGESIZE)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    if libc.mprotect(address, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC):
        raise OSError(ctypes.get_errno(), "this host refuses executable memory")
    loop = ctypes.CFUNCTYPE(None, ctypes.c_uint32)(address)
    count = _FIRST
    while True:
        began = time.thread_time()
        loop(count)
        took = time.thread_time() - began
        if took >= seconds or count >= _LARGEST:
            break
        count *= 2
    sys.stdout.write(f"{count / took}\n")


if __name__ == "__main__":
    main(bytes.fromhex(sys.argv[1]), float(sys.argv[2]))
