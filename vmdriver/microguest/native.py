"""Counts the micro-guest's loop on the host's CPU; prints loops per second of CPU time.

A process of its own (``python -I -S native.py HEX SECONDS``): machine code in the harness would put
the harness at risk on a host with another architecture.
"""

import ctypes
import mmap
import sys
import time

_FIRST = 1 << 20
_LARGEST = 1 << 31


def main(code: bytes, seconds: float) -> None:
    """Doubles the count until one call takes ``seconds``."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
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
