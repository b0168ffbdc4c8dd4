"""Readers of the agent that look below the kernel: at the CPU itself, at links and variables.

Its source is appended to the agent's and stands alone like it; the host runs the same functions.
No file of the kernel is asked, so no mask of a runtime is in the way.
"""

# pathlib takes longer to import than the whole agent takes to run:
# ruff: noqa: PTH123, PTH208
from __future__ import annotations

import errno
import os
import time

TYPE_CHECKING = False  # typing is not imported: it would be the agent's most expensive module
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CPUID = "5389f831c90fa28906895e04894e0889560c5bc3"
"""push rbx; mov eax, edi; xor ecx, ecx; cpuid; the four registers to [rsi]; pop rbx; ret"""
RDTSC = "0f3148c1e2204809d0c3"
"""rdtsc; shl rdx, 32; or rax, rdx; ret"""
_ARCH_PRCTL, _ARCH_GET_CPUID = 158, 0x1011
_PR_GET_TSC, _PR_TSC_ENABLE = 25, 1
_HYPERVISOR = 1 << 31
_BRAND = 0x80000002
_APART_S = 0.02
IDENTIFYING = 8
"""Bytes from which on a value does not agree by chance with another's."""
_PAGES: list[Any] = []


def refuse_elsewhere() -> None:
    """Say that there is no such instruction on another architecture."""
    if os.uname().machine != "x86_64":
        raise OSError(errno.ENOSYS, "x86-64 alone has this instruction")


def instructions(code: str, *kinds: Any) -> Callable[..., int]:
    """Turn a few instructions into a function; an error where no memory may be executed."""
    import ctypes
    import mmap

    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError as refused:  # not the instruction is refused, but memory to have it in
        raise RuntimeError("no memory may be executed here (SELinux's execmem?)") from refused
    page.write(bytes.fromhex(code))
    held = ctypes.c_char.from_buffer(page)
    _PAGES.append(held)  # the page lives as long as this
    made: Callable[..., int] = ctypes.CFUNCTYPE(*kinds)(ctypes.addressof(held))
    return made


def ask_cpu(what: str) -> dict[str, Any]:
    """Ask the CPU by CPUID for its ``model`` or for the ``hypervisor`` above it."""
    import ctypes

    refuse_elsewhere()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_ARCH_PRCTL, _ARCH_GET_CPUID, 0) == 0:
        raise OSError(errno.EPERM, "CPUID faults here")
    registers = (ctypes.c_uint32 * 4)()
    kinds = (ctypes.c_int, ctypes.c_uint32, ctypes.c_void_p)
    cpuid = instructions(CPUID, *kinds)

    def leaf(number: int) -> tuple[int, bytes, bytes, bytes, bytes]:
        cpuid(number, registers)
        a, b, c, d = (int(one).to_bytes(4, "little") for one in registers)
        return registers[0], a, b, c, d

    if what == "hypervisor":
        leaf(1)
        if not registers[2] & _HYPERVISOR:
            raise OSError(errno.ENODEV, "the CPU names no hypervisor")
        return {"text": b"".join(leaf(0x40000000)[2:]).decode("latin-1").rstrip("\0 ")}
    _, _, b, c, d = leaf(0)
    vendor, signature = (b + d + c).decode("latin-1"), leaf(1)[0]
    brand = b""
    if leaf(0x80000000)[0] >= _BRAND + 2:
        brand = b"".join(b"".join(leaf(_BRAND + place)[1:]) for place in range(3))
    name = brand.decode("latin-1").replace("\0", " ").strip()
    return {"text": f"{vendor} {signature:x} {name}"}


def time_stamps() -> dict[str, Any]:
    """Read the CPU's time-stamp counter, and how fast it goes by the kernel's clock."""
    import ctypes

    refuse_elsewhere()
    mode = ctypes.c_int(_PR_TSC_ENABLE)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_GET_TSC, ctypes.byref(mode))
    if mode.value != _PR_TSC_ENABLE:
        raise OSError(errno.EPERM, "RDTSC faults here")
    rdtsc = instructions(RDTSC, ctypes.c_uint64)

    def stamp() -> tuple[int, int, int]:
        before = time.monotonic_ns()
        ticks = rdtsc()
        return time.monotonic_ns() - before, before, ticks

    # The tightest of a few: between two readings another process may have had its turn.
    first = min(stamp() for _ in range(9))
    time.sleep(_APART_S)
    last = min(stamp() for _ in range(9))
    hertz = (last[2] - first[2]) / (last[1] - first[1]) * 1e9
    return {"text": f"{hertz / 1e6:.1f} MHz, at {last[2]}", "ticks": last[2], "hertz": hertz}


def link_addresses(path: str) -> dict[str, Any]:
    """Map each link but loopback to its hardware address."""
    found = {}
    for name in sorted(os.listdir(path)):
        try:
            with open(path + "/" + name + "/address", encoding="latin-1") as file:
                address = file.read().strip()
        except (FileNotFoundError, NotADirectoryError):
            continue  # a file among the links, or a link that went
        except OSError as error:
            if error.errno == errno.EINVAL:
                continue  # a link without an address
            raise
        if address.strip("0:"):
            found[name] = address
    return {"addresses": found}


def list_variables() -> dict[str, Any]:
    """Map each variable of the environment to a checksum: the values may be secrets.

    A short value has 0 for one: it identifies nobody, and its checksum would give it away.
    """
    import binascii

    return {
        "variables": {
            name.decode("latin-1"): binascii.crc32(value) if len(value) >= IDENTIFYING else 0
            for name, value in os.environb.items()
        }
    }


MORE_READERS: dict[str, Callable[..., dict[str, Any]]] = {
    "cpuid": ask_cpu,
    "tsc": time_stamps,
    "addresses": link_addresses,
    "variables": list_variables,
}
