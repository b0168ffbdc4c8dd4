"""Filters are evaluated offline, instruction by instruction: read, not believed."""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

import pytest

from runtime import SpecError
from runtime.seccomp import PROFILES, compile_profile
from runtime.seccomp.library import ALLOW, Builder, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

X86_64, I386, AARCH64 = 0xC000003E, 0x40000003, 0xC00000B7
NATIVE = X86_64 if os.uname().machine == "x86_64" else AARCH64
EPERM, ENOSYS = refuse(errno.EPERM), refuse(errno.ENOSYS)
CLONE_NEWUSER = 0x10000000


def number(name: str) -> int:
    with Builder(ALLOW) as builder:
        found = builder.number(name)
    assert found is not None, name
    return found


def evaluate(program: bytes, nr: int, args: Sequence[int] = (), arch: int = NATIVE) -> int:
    """Classic BPF as seccomp(2) uses it: loads of 32-bit words, jumps, and, return."""
    padded = [*args, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<iIQ6Q", nr, arch, 0, *padded)
    code = list(struct.iter_unpack("<HBBI", program))
    at = accumulator = 0
    while True:
        op, yes, no, k = code[at]
        at += 1
        if op == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, k)
        elif op == 0x06:
            return k
        elif op == 0x05:
            at += k
        elif op == 0x54:
            accumulator &= k
        else:
            taken = {0x15: accumulator == k, 0x25: accumulator > k, 0x35: accumulator >= k,
                     0x45: bool(accumulator & k)}[op]  # fmt: skip
            at += yes if taken else no


# ruff: noqa: SIM905  # a paragraph of words
REFUSED = """
    mount umount2 fsopen fsconfig fsmount move_mount open_tree mount_setattr setns unshare bpf
    perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register keyctl add_key
    request_key kexec_load kexec_file_load init_module finit_module delete_module
    open_by_handle_at name_to_handle_at pidfd_getfd process_madvise quotactl swapon reboot
    pivot_root acct settimeofday sethostname syslog fanotify_init
""".split()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("call", REFUSED)
def test_refused(profile: str, call: str) -> None:
    assert evaluate(compile_profile(profile), number(call)) == EPERM


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "call", ["read", "write", "openat", "execve", "futex", "mmap", "landlock_create_ruleset"]
)
def test_allowed(profile: str, call: str) -> None:
    assert evaluate(compile_profile(profile), number(call)) == ALLOW


@pytest.mark.parametrize("profile", PROFILES)
def test_clone_makes_processes_but_no_namespaces(profile: str) -> None:
    program = compile_profile(profile)
    assert evaluate(program, number("clone"), [0x1200011]) == ALLOW
    for bit in (17, 25, 26, 27, 28, 29, 30):
        assert evaluate(program, number("clone"), [1 << bit | 17]) == EPERM
    assert evaluate(program, number("clone3")) == ENOSYS


@pytest.mark.parametrize("family", [38, 40, 1 << 32 | 38, 1 << 32 | 40])
@pytest.mark.parametrize("profile", PROFILES)
def test_socket_families_cannot_be_smuggled_in_the_upper_half(profile: str, family: int) -> None:
    assert evaluate(compile_profile(profile), number("socket"), [family]) == EPERM


@pytest.mark.parametrize("family", [1, 2, 10])
def test_ordinary_sockets_work(family: int) -> None:
    assert evaluate(compile_profile("hardened"), number("socket"), [family, 1, 0]) == ALLOW


@pytest.mark.skipif(NATIVE != X86_64, reason="the other entries exist on x86-64 only")
def test_other_entries_of_x86_are_refused() -> None:
    program = compile_profile("default")
    assert evaluate(program, 4, arch=I386) == EPERM
    assert evaluate(program, 0x40000000 | 1) == EPERM


def test_hardened_allows_less() -> None:
    ptrace = number("ptrace")
    assert evaluate(compile_profile("default"), ptrace) == ALLOW
    assert evaluate(compile_profile("hardened"), ptrace) == EPERM


def test_unknown_profile_names_the_known() -> None:
    with pytest.raises(SpecError, match="docker-like"):
        compile_profile("none")
