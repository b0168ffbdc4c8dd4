"""System-call filters: allow-lists by name, compiled once in the harness, loaded by containers.

A filter is compiled before any container starts; the container itself makes a single seccomp(2)
call with the finished program.

    find("default") ─┐
    parse(object) ───┼─ Profile ─ compile_filter ─ Filter(program, flags, listener_path, …)
    learn ───────────┘     └───── to_object ────── OCI's linux.seccomp
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from runtime.seccomp import oci, profiles
from runtime.seccomp.compiler import compile_filter
from runtime.seccomp.model import Argument, Filter, Profile, Rule
from runtime.seccomp.oci import parse
from runtime.seccomp.profile_file import load_file
from runtime.seccomp.profiles import PROFILES, find

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "PROFILES",
    "Argument",
    "Filter",
    "Profile",
    "Rule",
    "compile_filter",
    "compile_object",
    "compile_profile",
    "find",
    "load_file",
    "parse",
    "to_object",
]


@cache
def compile_profile(name: str) -> bytes:
    """The named profile as a BPF program; `:log` behind the name makes it log and not refuse.

    Raises:
        SpecError: there is no such profile.
        UnsupportedError: libseccomp is missing or refuses.
    """
    return compile_filter(profiles.find(name)).program


def compile_object(value: Mapping[str, Any]) -> Filter:
    """OCI's `linux.seccomp` as the kernel takes it.

    Raises:
        SpecError: naming the field that is wrong.
        UnsupportedError: libseccomp is missing or too old.
    """
    return compile_filter(oci.parse(value))


def to_object(profile: Profile | str) -> dict[str, Any]:
    """A profile, or the built-in one of that name, as OCI's `linux.seccomp`.

    Raises:
        SpecError: there is no such profile.
    """
    return oci.to_object(profiles.find(profile) if isinstance(profile, str) else profile)
