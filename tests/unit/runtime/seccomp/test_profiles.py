"""Every built-in profile, every call: the verdicts that isolation asks for."""

from __future__ import annotations

import errno

import pytest

from runtime import SpecError, seccomp
from runtime.seccomp import actions, library, numbers
from runtime.seccomp import profiles as profiles_module
from runtime.seccomp.evaluate import I386, X86_64, evaluate
from runtime.seccomp.groups import GROUPS
from runtime.spec import profiles

# ruff: noqa: SIM905  # a paragraph of words
NATIVE = library.native_architecture()
EPERM, ENOSYS = actions.refuse(errno.EPERM), actions.refuse(errno.ENOSYS)
NAMES = (*seccomp.PROFILES,)
CONDITIONAL = {"clone", "socket", "socketpair", "personality"}
DONE_WITHOUT = {"clone3", "statmount", "listmount"}  # libraries fall back on ENOSYS
every_profile = pytest.mark.parametrize("name", NAMES)


def number(name: str) -> int:
    found = numbers.number_of(name)
    assert found is not None, name
    return found


def verdict(profile: str, call: str, *args: int) -> int:
    return evaluate(seccomp.compile_profile(profile), NATIVE, number(call), args)


@every_profile
def test_every_number_has_the_verdict_of_the_profile(name: str) -> None:
    program = seccomp.compile_profile(name)
    allowed = set(seccomp.find(name).calls())
    for at in range(1024):
        call = numbers.name_of(at) or ""
        if call in CONDITIONAL:
            continue
        wanted = EPERM
        if call in allowed:
            wanted = actions.ALLOW
        elif call in DONE_WITHOUT or at > numbers.NEWEST:
            wanted = ENOSYS
        assert evaluate(program, NATIVE, at, (1, 2, 3)) == wanted, (at, call)


REFUSED = """
    mount umount2 fsopen fsconfig fsmount fspick move_mount open_tree open_tree_attr mount_setattr
    setns unshare bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register
    keyctl add_key request_key kexec_load kexec_file_load init_module finit_module delete_module
    open_by_handle_at pidfd_getfd process_madvise quotactl quotactl_fd swapon
    swapoff reboot pivot_root acct settimeofday clock_settime sethostname setdomainname syslog
    fanotify_init mbind set_mempolicy kcmp iopl ioperm lookup_dcookie move_pages migrate_pages
    vhangup uselib ustat sysfs nfsservctl create_module get_kernel_syms query_module _sysctl
""".split()


@every_profile
@pytest.mark.parametrize("call", REFUSED)
def test_escape_prevention_controls_are_refused(name: str, call: str) -> None:
    if numbers.number_of(call) is not None and number(call) >= 0:
        assert verdict(name, call) == EPERM


@every_profile
def test_clone_makes_processes_but_no_namespaces(name: str) -> None:
    assert verdict(name, "clone", 0x1200011) == actions.ALLOW
    assert verdict(name, "clone", 0x3D0F00) == actions.ALLOW  # a thread of pthread_create(3)
    for bit in (17, 25, 26, 27, 28, 29, 30):
        assert verdict(name, "clone", 1 << bit | 17) == EPERM
    assert verdict(name, "clone3") == ENOSYS


@pytest.mark.parametrize("family", [38, 40, 1 << 32 | 38, 1 << 32 | 40])
@every_profile
def test_socket_families_cannot_be_smuggled_in_the_upper_half(name: str, family: int) -> None:
    assert verdict(name, "socket", family) == EPERM


@every_profile
def test_only_unix_sockets_come_in_pairs(name: str) -> None:
    assert verdict(name, "socketpair", 1) == actions.ALLOW
    assert verdict(name, "socketpair", 38) == EPERM


@every_profile
def test_ordinary_sockets_work_and_upper_halves_do_not_matter(name: str) -> None:
    for family in (1, 2, 10):
        assert verdict(name, "socket", family, 1, 0) == actions.ALLOW
        assert verdict(name, "socket", 1 << 40 | family, 1, 0) == actions.ALLOW


@every_profile
def test_personality_keeps_random_addresses(name: str) -> None:
    for persona in (0, 0xFFFFFFFF, (1 << 64) - 1):  # the query is -1, in either width
        assert verdict(name, "personality", persona) == actions.ALLOW
    assert verdict(name, "personality", 0x0040000) == EPERM  # ADDR_NO_RANDOMIZE


@pytest.mark.skipif(NATIVE != X86_64, reason="the other entries exist on x86-64 only")
@every_profile
def test_other_entries_of_x86_are_refused(name: str) -> None:
    program = seccomp.compile_profile(name)
    for at in range(600):
        assert evaluate(program, I386, at) == EPERM
        assert evaluate(program, X86_64, 0x40000000 | at) == EPERM
    assert evaluate(program, X86_64, 0xFFFFFFFF) == EPERM


def test_each_profile_allows_less_than_the_next() -> None:
    hardened, default, docker = (
        {
            (at, argument)
            for at in range(numbers.NEWEST + 1)
            for argument in (range(46) if at == number("socket") else (1, 17))
            if evaluate(program, NATIVE, at, (argument,)) == actions.ALLOW
        }
        for program in map(seccomp.compile_profile, ("hardened", "default", "docker-like"))
    )
    assert hardened < default < docker
    assert verdict("default", "ptrace") == actions.ALLOW
    assert verdict("hardened", "ptrace") == EPERM
    assert verdict("default", "name_to_handle_at") == EPERM


def test_every_call_of_the_groups_stands_once_and_exists() -> None:
    calls = [call for group in GROUPS.values() for call in group]
    assert len(calls) == len(set(calls))
    assert [call for call in calls if numbers.number_of(call) is None] == []


@every_profile
def test_log_mode_lets_through_what_the_profile_refuses(name: str) -> None:
    for call in ("mount", "bpf", "keyctl"):
        assert verdict(name, call) == EPERM
        assert verdict(f"{name}:log", call) == actions.LOG
    assert verdict(f"{name}:log", "read") == actions.ALLOW
    assert verdict(f"{name}:log", "socket", 38) == actions.LOG
    # what programs do without must not look different, or they would go another way
    assert verdict(f"{name}:log", "clone3") == ENOSYS


def test_a_profile_that_refuses_nothing_has_nothing_to_log() -> None:
    with pytest.raises(SpecError, match="refuses nothing to log"):
        profiles_module.logging(seccomp.parse({"defaultAction": "SCMP_ACT_ALLOW"}))


@every_profile
def test_a_profile_prints_as_the_object_that_makes_it(name: str) -> None:
    value = seccomp.to_object(name)
    assert value["defaultAction"] == "SCMP_ACT_ERRNO"
    compiled = seccomp.compile_object(value)
    assert compiled.program == seccomp.compile_profile(name)
    assert compiled.flags == 0
    names = {entry["names"][0]: entry for entry in value["syscalls"][1:]}
    assert names["clone3"] == {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
    assert names["clone"]["args"] == [
        {"index": 0, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    ]


def test_unknown_profiles_name_the_known() -> None:
    for name in ("none", "none:log", "default:audit"):
        with pytest.raises(SpecError, match="docker-like"):
            seccomp.compile_profile(name)


def test_profiles_of_containers_are_profiles_of_filters(tmp_path: object) -> None:
    for make in profiles.PROFILES.values():
        name = make(rootfs=tmp_path, args=["true"]).linux.seccomp
        assert name is None or name in seccomp.PROFILES


def test_filters_are_short() -> None:
    # the load of every container's start pays for the length, see docs/seccomp.md
    for name in NAMES:
        assert len(seccomp.compile_profile(name)) // 8 <= 160


def test_what_libraries_do_without_is_refused_in_words_they_know() -> None:
    # EPERM would make libaudit stop su and useradd
    assert verdict("hardened", "socket", 16) == actions.refuse(errno.EAFNOSUPPORT)
    assert verdict("default", "socket", 16) == actions.ALLOW
    assert verdict("default", "statmount") == ENOSYS
