"""Rules in the kernel's numbers, for kernels that are not here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runtime import SpecError, UnsupportedError, landlock
from runtime.spec import Landlock

PLAIN = Landlock(read=("/usr",), write=("/tmp",))


def test_everything_is_handled_and_little_allowed() -> None:
    rules = landlock.ruleset(PLAIN, 7)
    assert rules.handled_access_fs == (1 << 16) - 1
    assert (rules.handled_access_net, rules.scoped, rules.ports) == (0, 3, ())
    usr, tmp = rules.paths
    # execute, read files, list directories; a directory's rights are refused for a file
    assert usr == ("/usr", 0b1101, 0b101)
    assert tmp == ("/tmp", (1 << 16) - 1, 0b111 | 3 << 14)


def test_a_path_in_both_lists_is_writable() -> None:
    both = Landlock(read=("/srv", "/usr"), write=("/srv",))
    assert [rule.access for rule in landlock.ruleset(both, 7).paths] == [(1 << 16) - 1, 0b1101]


def test_ports_are_handled_only_where_they_are_limited() -> None:
    rules = landlock.ruleset(replace(PLAIN, bind_ports=(80, 443), connect_ports=(443,)), 7)
    assert rules.handled_access_net == 3
    assert set(rules.ports) == {(80, 1), (443, 3)}
    none_at_all = landlock.ruleset(replace(PLAIN, connect_ports=()), 7)
    assert (none_at_all.handled_access_net, none_at_all.ports) == (2, ())


NOTHING: dict[str, Any] = {"read": (), "scoped": False}


@pytest.mark.parametrize(
    ("asked", "version", "release"),
    [
        ({}, 5, "6.12"),
        ({"scoped": False}, 4, "6.10"),
        (NOTHING | {"bind_ports": ()}, 3, "6.7"),
        (NOTHING | {"connect_ports": (1,)}, 3, "6.7"),
        (NOTHING, 2, "6.2"),
        (NOTHING, 1, "6.2"),
        (NOTHING, 0, "5.13"),
    ],
)
def test_what_the_kernel_lacks_is_refused_and_its_release_named(
    asked: dict[str, Any], version: int, release: str
) -> None:
    wanted = replace(PLAIN, **asked)
    with pytest.raises(UnsupportedError, match=release):
        landlock.ruleset(wanted, version)
    enough = {"6.12": 6, "6.10": 5, "6.7": 4, "6.2": 3, "5.13": 3}[release]
    rules = landlock.ruleset(wanted, enough)
    assert bool(rules.handled_access_fs >> 15) == (enough >= 5)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"read": ("/usr", "lib")}, r"linux\.landlock\.read\[1\]: 'lib' must be absolute"),
        ({"write": ("/a\0b",)}, r"linux\.landlock\.write\[0\]"),
        ({"bind_ports": (65536,)}, r"linux\.landlock\.bind_ports\[0\]: 65536 is no TCP port"),
        ({"connect_ports": (1, -1)}, r"linux\.landlock\.connect_ports\[1\]"),
    ],
)
def test_mistakes_are_named(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        landlock.ruleset(replace(PLAIN, **asked), 7)


def test_a_plan_says_what_is_left() -> None:
    said = landlock.describe(landlock.ruleset(replace(PLAIN, bind_ports=(80,)), 7))
    assert said.startswith("restrict by Landlock to paths /usr (0xd), /tmp (0xffff)")
    assert "TCP ports 80" in said
