"""Measure how fast this CPU's time stamp counter counts; print kHz.

A process of its own (``python -I -S tsc_counter.py HEX SECONDS``) for the same reason as `native`.
"""

import ctypes
import mmap
import sys
import time


def main(code: bytes, seconds: float) -> None:
    """Read counter and clock, and both again ``seconds`` later."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(address)

    def both() -> tuple[int, int]:
        """The pair whose two readings of the clock lie closest together."""
        tries = []
        for _ in range(16):
            before, ticks, after = time.monotonic_ns(), read(), time.monotonic_ns()
            tries.append((after - before, ticks, (before + after) // 2))
        return min(tries)[1:]

    both()
    ticks, began = both()
    time.sleep(seconds)
    later, ended = both()
    sys.stdout.write(f"{round((later - ticks) * 1_000_000 / (ended - began))}\n")


if __name__ == "__main__":
    main(bytes.fromhex(sys.argv[1]), float(sys.argv[2]))
