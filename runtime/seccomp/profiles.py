"""The built-in profiles: allow-lists made from the groups."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import TYPE_CHECKING

from runtime.errors import SpecError
from runtime.seccomp import actions
from runtime.seccomp.groups import GROUPS
from runtime.seccomp.model import Argument, Profile, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

#: CLONE_NEW* of clone(2): mount, cgroup, uts, ipc, user, pid, network.
CLONE_NAMESPACES = 0x7E020000
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
#: Of the 46 address families Docker's profile leaves out AF_ALG and AF_VSOCK, and seven that no
#: kernel has any more or that only particular machines use.
_DOCKERS_FAMILIES = tuple(
    family for family in range(46) if family not in (12, 19, 20, 23, 25, 34, 37, 38, 40)
)
#: personality(2): Linux, with or without ADDR_NO_RANDOMIZE's harmless kin, and the query.
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
LOG_SUFFIX = ":log"

# clone3 passes its flags by pointer, where a filter cannot look; on ENOSYS libc falls back to
# clone, whose flags it can see.
NO_CLONE3 = Rule(("clone3",), "SCMP_ACT_ERRNO", errno_ret=errno.ENOSYS)
# What they tell stands in /proc/self/mountinfo, to which libmount falls back on ENOSYS.
_NO_STATMOUNT = Rule(("statmount", "listmount"), "SCMP_ACT_ERRNO", errno_ret=errno.ENOSYS)
# libaudit takes EPERM for a reason to stop su and useradd, and this for a kernel without audit.
_NO_NETLINK = Rule(
    ("socket",),
    "SCMP_ACT_ERRNO",
    (Argument.int_equal(0, _AF_NETLINK),),
    errno.EAFNOSUPPORT,
)


def without_namespaces(bits: int = CLONE_NAMESPACES) -> Rule:
    """clone(2) for processes and threads, with none of the namespaces of `bits`."""
    return Rule(("clone",), args=(Argument.int_without(0, bits),))


def equal(call: str, values: Iterable[int], argument: int = 0) -> tuple[Rule, ...]:
    """The call with one of these values as that int argument."""
    return tuple(Rule((call,), args=(Argument.int_equal(argument, value),)) for value in values)


def from_groups(name: str, groups: Iterable[str], families: Iterable[int]) -> Profile:
    """An allow-list of groups and socket families: everything else fails with EPERM."""
    calls = tuple(call for group in groups for call in GROUPS[group])
    families = tuple(families)
    return Profile(
        name=name,
        default_errno_ret=errno.EPERM,
        flags=(),
        rules=(
            Rule(calls),
            NO_CLONE3,
            *(() if "statmount" in calls else (_NO_STATMOUNT,)),
            without_namespaces(),
            *equal("socket", families),
            *(() if _AF_NETLINK in families else (_NO_NETLINK,)),
            *equal("socketpair", (_AF_UNIX,)),
            *equal("personality", _PERSONALITIES),
        ),
    )


#: Groups of one profile only: what Docker allows beyond ours, and what a hardened one does without.
_DOCKERS = ("docker",)
_SOFT = ("tracing", "aio", "chroot", "clock", "residency", "seldom")
DEFAULT = from_groups(
    "default",
    [group for group in GROUPS if group not in _DOCKERS],
    (_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK),
)
HARDENED = from_groups(
    "hardened",
    [group for group in GROUPS if group not in (*_DOCKERS, *_SOFT)],
    (_AF_UNIX, _AF_INET, _AF_INET6),
)
DOCKER_LIKE = from_groups("docker-like", GROUPS, _DOCKERS_FAMILIES)
PROFILES = {profile.name: profile for profile in (DEFAULT, HARDENED, DOCKER_LIKE)}


def find(name: str) -> Profile:
    """A built-in profile by name, or with `:log` behind it the variant that only logs.

    Raises:
        SpecError: there is no such profile.
    """
    plain = name.removesuffix(LOG_SUFFIX)
    if plain not in PROFILES:
        known = ", ".join(PROFILES)
        raise SpecError("linux.seccomp", f"no profile {name!r}; there are {known}")
    return PROFILES[plain] if plain == name else logging(PROFILES[plain])


def logging(profile: Profile) -> Profile:
    """The same rules, but what no rule allows is allowed and logged: no protection, only a list.

    clone3 stays refused with ENOSYS, so that programs go the way they go under the profile itself.
    So do calls by another entry, the 32-bit one for instance (see `compiler`).

    Raises:
        SpecError: the profile does not refuse by default.
    """
    if not actions.refuses(profile.default):
        raise SpecError(
            "linux.seccomp.defaultAction",
            f"{profile.default_action} of the profile {profile.name!r} refuses nothing to log",
        )
    name = f"{profile.name}{LOG_SUFFIX}"
    return replace(profile, name=name, default_action="SCMP_ACT_LOG", default_errno_ret=None)
