"""Count the micro-guest's loop on the host's CPU; print loops per second of CPU time.

A process of its own (``python -I -S native.py HEX``): machine code in the harness would put the
harness at risk on a host with another architecture. It prints two numbers: the loops, and the CPU
seconds that its own start took, by which a slow host is told from a fast one. The loop is counted
until it takes as long as that start, so that it is measured equally well on either; the best of a
few counts, since what disturbs it only makes it slower.

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
_TIMES = 3


def main(code: bytes) -> None:
    """Double the count until one call takes as long as the start did; count that a few times."""
    page = mmap.mmap(-1, mmap.PAGESIZE)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    if libc.mprotect(address, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC):
        raise OSError(ctypes.get_errno(), "this host refuses executable memory")
    loop = ctypes.CFUNCTYPE(None, ctypes.c_uint32)(address)

    def took(count: int) -> float:
        began = time.thread_time()
        loop(count)
        return time.thread_time() - began

    start = time.process_time()
    count = _FIRST
    while (seconds := took(count)) < start and count < _LARGEST:
        count *= 2
    best = min(seconds, *(took(count) for _ in range(_TIMES - 1)))
    sys.stdout.write(f"{count / best} {start}\n")


if __name__ == "__main__":
    main(bytes.fromhex(sys.argv[1]))
