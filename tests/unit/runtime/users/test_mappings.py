"""Ids: what a user may map, and what is said where that is little."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import SetupError, UnsupportedError
from runtime.plan.programs import Programs
from runtime.spawner.namespace_owners import FIRST as FIRST_OWNER
from runtime.spec import DEFAULT_HOST_ID, DEFAULT_ID_COUNT, IdMapping, id_mappings, profiles
from runtime.users import mappings

if TYPE_CHECKING:
    from pathlib import Path

LAST = 2**32 - 2


def test_ranges_are_found_by_name_and_by_id() -> None:
    text = "joe:100000:65536\nann:1:2\n1000:300000:5\njoe:broken\n#joe:1:1\njoe:1:0\njoe:-1:5\n"
    assert mappings.subordinate(text, "joe", 1000) == ((100_000, 65_536), (300_000, 5))
    assert mappings.subordinate(text, None, 1000) == ((300_000, 5),)
    assert mappings.subordinate(text, "bob", 1) == ()


def test_a_user_is_root_inside_and_the_range_follows() -> None:
    found = mappings.rootless(
        "joe", 1000, 1001, subuid="joe:100000:10\njoe:200000:5\n", subgid="joe:300000:7"
    )
    assert found.uid_mappings == (
        IdMapping(0, 1000, 1), IdMapping(1, 100_000, 10), IdMapping(11, 200_000, 5),
    )  # fmt: skip
    assert found.gid_mappings == (IdMapping(0, 1001, 1), IdMapping(1, 300_000, 7))
    assert found.notes == ()


def test_without_a_range_there_is_root_alone_and_a_sentence() -> None:
    found = mappings.rootless("joe", 1000, 1000, subgid="joe:1:5")
    assert found.uid_mappings == (IdMapping(0, 1000, 1),)
    (note,) = found.notes
    assert "joe has no range in /etc/subuid" in note
    assert "usermod --add-subuids FIRST-LAST joe" in note
    assert mappings.is_own(found.uid_mappings, 1000)
    assert not mappings.is_own(found.gid_mappings, 1000)


@given(
    st.lists(
        st.tuples(st.sampled_from(["joe", "ann", "7", ""]), st.integers(), st.integers()),
        max_size=6,
    )
    | st.text(),
    st.integers(0, LAST),
)
def test_whatever_the_file_says_the_kernel_takes_the_mapping(
    entries: list[tuple[str, int, int]] | str, uid: int
) -> None:
    text = entries
    if not isinstance(text, str):
        text = "".join(f"{name}:{first}:{count}\n" for name, first, count in text)
    found = mappings.rootless("joe", uid, uid, subuid=text, subgid=text)
    id_mappings.check("uids", found.uid_mappings)
    assert id_mappings.to_host(found.uid_mappings, 0) == uid


def test_the_callers_own_mapping_can_be_made_on_any_host() -> None:
    id_mappings.check("uids", mappings.for_user().uid_mappings)
    id_mappings.check("uids", mappings.for_user(4_000_000_000).uid_mappings)


def test_the_command_line_is_that_of_newuidmap() -> None:
    entries = (IdMapping(0, 1000, 1), IdMapping(1, 100_000, 5))
    assert mappings.command("/bin/newuidmap", 42, entries) == [
        "/bin/newuidmap", "42", "0", "1000", "1", "1", "100000", "5",
    ]  # fmt: skip


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place where the only programs are those that a test puts there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def put(folder: Path, name: str, script: str, mode: int = 0o4755) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(mode)


def test_a_missing_helper_says_what_to_install(programs: Path) -> None:
    with pytest.raises(UnsupportedError, match="install the package uidmap"):
        mappings.helper("newuidmap")
    put(programs, "newuidmap", "exit 0", 0o755)
    with pytest.raises(UnsupportedError, match="neither set-user-id nor has file capabilities"):
        mappings.helper("newuidmap")


def test_a_helper_that_refuses_is_quoted(programs: Path) -> None:
    put(programs, "newuidmap", 'echo "uid range [0-1) -> [5-6) not allowed" >&2; exit 1')
    with pytest.raises(SetupError) as caught:
        mappings.write(42, [IdMapping(0, 5, 1)], [])
    assert str(caught.value) == (
        f"cannot map the container's ids by {programs}/newuidmap 42 0 5 1: "
        "uid range [0-1) -> [5-6) not allowed"
    )


def test_both_helpers_are_run(programs: Path) -> None:
    for name in ("newuidmap", "newgidmap"):
        put(programs, name, f'echo "$@" > {programs}/{name}.said')
    mappings.write(42, [IdMapping(0, 5, 1)], [IdMapping(0, 6, 2)])
    assert (programs / "newuidmap.said").read_text() == "42 0 5 1\n"
    assert (programs / "newgidmap.said").read_text() == "42 0 6 2\n"


def test_engines_have_ranges_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All containers of the host had one: what one engine's used up was missing in another's."""
    monkeypatch.setattr(mappings, "held", lambda _: (IdMapping(0, 0, 2**32 - 1),))
    first, second = (mappings.own_range(f"tare-0123456789{end}") for end in ("00", "ff"))
    assert first == DEFAULT_HOST_ID
    assert second + DEFAULT_ID_COUNT <= FIRST_OWNER
    spec = profiles.default(rootfs=tmp_path, args=["true"])
    programs = Programs(None, has_init=True, first_id=second)
    assert programs.shift(spec)[0].split() == ["0", str(second), str(DEFAULT_ID_COUNT)]
    kept = replace(spec, root=replace(spec.root, upper=tmp_path))
    assert programs.shift(kept)[0].split()[1] == str(DEFAULT_HOST_ID)


def test_where_the_range_does_not_exist_the_profiles_own_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = (IdMapping(DEFAULT_HOST_ID, 0, DEFAULT_ID_COUNT),)
    monkeypatch.setattr(mappings, "held", lambda _: few)
    assert mappings.own_range("tare-0123456789ff") == DEFAULT_HOST_ID
