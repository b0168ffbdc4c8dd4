"""libseccomp through ctypes: the few calls a filter needs (seccomp_rule_add(3) and its kin)."""

from __future__ import annotations

import ctypes
import errno
import os
from ctypes import c_char_p, c_int, c_uint, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from runtime.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence

ALLOW = 0x7FFF0000
LOG = 0x7FFC0000
KILL_PROCESS = 0x80000000
_ATTRIBUTE_BAD_ARCHITECTURE, _ATTRIBUTE_OPTIMIZE = 2, 8
_MASKED_EQUAL = 7
_BINARY_TREE = 2


def refuse(number: int) -> int:
    """The action that fails a call with this errno."""
    return 0x00050000 | number


@dataclass(frozen=True, slots=True)
class Condition:
    """`argument & mask == value`.

    Always with a mask: the kernel takes 32 bits of an int argument while a filter sees 64, so a
    plain comparison is evaded by setting the upper half (CVE-2019-10063).
    """

    argument: int
    mask: int
    value: int


class _ArgumentComparison(ctypes.Structure):
    _fields_ = (("arg", c_uint), ("op", c_int), ("datum_a", c_uint64), ("datum_b", c_uint64))


def _load() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    except OSError as error:
        raise UnsupportedError(
            "libseccomp.so.2 is not installed; install libseccomp2 or choose a profile without "
            "seccomp"
        ) from error
    library.seccomp_init.argtypes = (c_uint32,)
    library.seccomp_init.restype = c_void_p
    library.seccomp_release.argtypes = (c_void_p,)
    library.seccomp_attr_set.argtypes = (c_void_p, c_int, c_uint32)
    library.seccomp_syscall_resolve_name.argtypes = (c_char_p,)
    library.seccomp_rule_add_array.argtypes = (c_void_p, c_uint32, c_int, c_uint, c_void_p)
    library.seccomp_export_bpf.argtypes = (c_void_p, c_int)
    return library


class Builder:
    """One filter under construction; a context manager.

    Only the machine's own architecture is in it: calls by the 32-bit entry and x32 numbers get
    `default` as well.

    Raises:
        UnsupportedError: libseccomp is missing.
    """

    def __init__(self, default: int) -> None:
        self._library = _load()
        self._context = self._library.seccomp_init(default)
        if not self._context:
            raise UnsupportedError("libseccomp cannot make a filter for this architecture")
        self._check(
            self._library.seccomp_attr_set(self._context, _ATTRIBUTE_BAD_ARCHITECTURE, default)
        )
        self._library.seccomp_attr_set(self._context, _ATTRIBUTE_OPTIMIZE, _BINARY_TREE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.seccomp_release(self._context)

    def number(self, name: str) -> int | None:
        """Number of a call here, None where this architecture or library does not know it."""
        number: int = self._library.seccomp_syscall_resolve_name(name.encode())
        return number if number >= 0 else None

    def rule(self, action: int, name: str, conditions: Sequence[Condition] = ()) -> None:
        """Add one rule; a call that does not exist here needs none and is skipped."""
        number = self.number(name)
        if number is None:
            return
        comparisons = (_ArgumentComparison * max(1, len(conditions)))(
            *[_ArgumentComparison(c.argument, _MASKED_EQUAL, c.mask, c.value) for c in conditions]
        )
        result = self._library.seccomp_rule_add_array(
            self._context, action, number, len(conditions), ctypes.addressof(comparisons)
        )
        self._check(result, name)

    def program(self) -> bytes:
        """The filter as an array of struct sock_filter."""
        fd = os.memfd_create("filter", os.MFD_CLOEXEC)
        try:
            self._check(self._library.seccomp_export_bpf(self._context, fd))
            return os.pread(fd, os.fstat(fd).st_size, 0)
        finally:
            os.close(fd)

    @staticmethod
    def _check(result: int, what: str = "filter") -> None:
        if result < 0:
            name = errno.errorcode.get(-result, str(-result))
            raise UnsupportedError(f"libseccomp refuses {what}: {name}")
