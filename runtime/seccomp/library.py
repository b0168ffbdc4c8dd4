"""libseccomp through ctypes: the few calls a filter needs (seccomp_rule_add(3) and its kin)."""

from __future__ import annotations

import ctypes
import errno
import os
from ctypes import c_char_p, c_int, c_uint, c_uint32, c_uint64, c_void_p
from functools import cache
from typing import TYPE_CHECKING, Self

from runtime.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.seccomp.model import Argument

_ATTRIBUTE_BAD_ARCHITECTURE, _ATTRIBUTE_OPTIMIZE = 2, 8
_BINARY_TREE = 2
_UNKNOWN = -1
_OPERATORS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
OPERATORS = tuple(_OPERATORS)


class _ArgumentComparison(ctypes.Structure):
    _fields_ = (("arg", c_uint), ("op", c_int), ("datum_a", c_uint64), ("datum_b", c_uint64))


@cache
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
    library.seccomp_arch_native.restype = c_uint32
    library.seccomp_arch_resolve_name.argtypes = (c_char_p,)
    library.seccomp_arch_resolve_name.restype = c_uint32
    library.seccomp_arch_add.argtypes = (c_void_p, c_uint32)
    library.seccomp_syscall_resolve_name.argtypes = (c_char_p,)
    library.seccomp_syscall_resolve_num_arch.argtypes = (c_uint32, c_int)
    library.seccomp_syscall_resolve_num_arch.restype = c_void_p
    library.seccomp_rule_add_array.argtypes = (c_void_p, c_uint32, c_int, c_uint, c_void_p)
    library.seccomp_export_bpf.argtypes = (c_void_p, c_int)
    return library


def native_architecture() -> int:
    """AUDIT_ARCH_* of the machine."""
    number: int = _load().seccomp_arch_native()
    return number


def architecture(name: str) -> int | None:
    """The library's token for "SCMP_ARCH_…", None where it is too old to know it."""
    token: int = _load().seccomp_arch_resolve_name(name.removeprefix("SCMP_ARCH_").lower().encode())
    return token or None


def call_number(name: str) -> int | None:
    """Number of a call, None where the library does not know it.

    A call that only other architectures have gets a negative number that means nothing elsewhere.
    """
    number: int = _load().seccomp_syscall_resolve_name(name.encode())
    return None if number == _UNKNOWN else number


def call_name(number: int) -> str | None:
    """Name of one of the machine's own calls, None where the library does not know it."""
    library = _load()
    text = library.seccomp_syscall_resolve_num_arch(library.seccomp_arch_native(), number)
    if not text:
        return None
    try:
        return ctypes.string_at(text).decode()
    finally:
        libc = ctypes.CDLL(None)
        libc.free.argtypes = (c_void_p,)
        libc.free(text)


class Builder:
    """One filter under construction; a context manager.

    Args:
        default: action for calls that no rule names.
        foreign: action for entries that the filter is not made for, like the 32-bit one of x86.
        search: arrange the calls as a binary tree; what the library otherwise emits is a list.

    Raises:
        UnsupportedError: libseccomp is missing, or the kernel does not know an action.
    """

    def __init__(self, default: int, foreign: int, *, search: bool = False) -> None:
        self._library = _load()
        self._context = self._library.seccomp_init(default)
        if not self._context:
            raise UnsupportedError(
                f"libseccomp cannot make a filter with the default action {default:#x} here; the "
                "kernel or the library is too old for it"
            )
        self._check(
            self._library.seccomp_attr_set(self._context, _ATTRIBUTE_BAD_ARCHITECTURE, foreign)
        )
        if search:  # a library too old for it makes a list, which does the same
            self._library.seccomp_attr_set(self._context, _ATTRIBUTE_OPTIMIZE, _BINARY_TREE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.seccomp_release(self._context)

    def add_architecture(self, token: int) -> None:
        """Make the rules that follow hold for another entry as well."""
        result = self._library.seccomp_arch_add(self._context, token)
        if result != -errno.EEXIST:
            self._check(result, f"the architecture {token:#x}")

    def rule(self, action: int, number: int, conditions: Sequence[Argument] = ()) -> None:
        """Add one rule."""
        comparisons = (_ArgumentComparison * max(1, len(conditions)))(
            *[
                _ArgumentComparison(c.index, _OPERATORS[c.op], c.value, c.value_two)
                for c in conditions
            ]
        )
        result = self._library.seccomp_rule_add_array(
            self._context, action, number, len(conditions), ctypes.addressof(comparisons)
        )
        self._check(result, f"a rule for call {number}")

    def program(self) -> bytes:
        """The filter as an array of struct sock_filter."""
        fd = os.memfd_create("filter", os.MFD_CLOEXEC)
        try:
            self._check(self._library.seccomp_export_bpf(self._context, fd))
            return os.pread(fd, os.fstat(fd).st_size, 0)
        finally:
            os.close(fd)

    @staticmethod
    def _check(result: int, what: str = "the filter") -> None:
        if result < 0:
            name = errno.errorcode.get(-result, str(-result))
            raise UnsupportedError(f"libseccomp refuses {what}: {name}")
