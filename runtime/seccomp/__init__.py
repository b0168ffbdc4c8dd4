"""System-call filters: allow-lists by name, compiled once in the harness, loaded by containers.

A filter is compiled by libseccomp before any container starts; the container itself makes a single
seccomp(2) call with the finished program.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from runtime.errors import SpecError
from runtime.seccomp.groups import GROUPS
from runtime.seccomp.library import ALLOW, Builder, Condition, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

#: CLONE_NEW* of clone(2): mount, cgroup, uts, ipc, user, pid, network.
_CLONE_NAMESPACES = 0x7E020000
_INT = 0xFFFFFFFF
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK, _AF_PACKET, _AF_ALG, _AF_VSOCK = (
    1,
    2,
    10,
    16,
    17,
    38,
    40,
)
_LAST_FAMILY = 45
#: personality(2): Linux, with or without ADDR_NO_RANDOMIZE's harmless kin, and the query.
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, _INT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """An allow-list.

    Attributes:
        groups: names of call groups allowed outright.
        socket_families: address families that socket(2) may use.
        errno: what everything else fails with.
    """

    name: str
    groups: tuple[str, ...]
    socket_families: tuple[int, ...]
    errno: int = errno.EPERM

    def calls(self) -> tuple[str, ...]:
        """Every call allowed outright."""
        return tuple(call for group in self.groups for call in GROUPS[group])


DEFAULT = Profile(
    name="default",
    groups=tuple(GROUPS),
    socket_families=(_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK, _AF_PACKET),
)
HARDENED = Profile(
    name="hardened",
    groups=tuple(name for name in GROUPS if name not in ("tracing", "numa", "aio")),
    socket_families=(_AF_UNIX, _AF_INET, _AF_INET6),
)
DOCKER_LIKE = Profile(
    name="docker-like",
    groups=tuple(GROUPS),
    socket_families=tuple(
        family for family in range(_LAST_FAMILY + 1) if family not in (_AF_ALG, _AF_VSOCK)
    ),
)
PROFILES = {profile.name: profile for profile in (DEFAULT, HARDENED, DOCKER_LIKE)}


@cache
def compile_profile(name: str) -> bytes:
    """The named profile as a BPF program.

    Raises:
        SpecError: there is no such profile.
        UnsupportedError: libseccomp is missing or refuses.
    """
    if name not in PROFILES:
        known = ", ".join(PROFILES)
        raise SpecError("linux.seccomp", f"no profile {name!r}; there are {known}")
    profile = PROFILES[name]
    with Builder(refuse(profile.errno)) as builder:
        for action, call, conditions in rules(profile):
            builder.rule(action, call, conditions)
        return builder.program()


def rules(profile: Profile) -> Iterator[tuple[int, str, tuple[Condition, ...]]]:
    """Every exception to the profile's refusal: action, call, and conditions that must all hold."""
    for call in profile.calls():
        yield ALLOW, call, ()
    # clone3 passes its flags by pointer, where a filter cannot look; on ENOSYS libc falls
    # back to clone, whose flags it can see.
    yield refuse(errno.ENOSYS), "clone3", ()
    yield ALLOW, "clone", (Condition(0, _CLONE_NAMESPACES, 0),)
    for family in profile.socket_families:
        yield ALLOW, "socket", (Condition(0, _INT, family),)
    yield ALLOW, "socketpair", (Condition(0, _INT, _AF_UNIX),)
    for persona in _PERSONALITIES:
        yield ALLOW, "personality", (Condition(0, _INT, persona),)
