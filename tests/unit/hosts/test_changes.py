"""What counts as a change of a host, and what changes by itself."""

from __future__ import annotations

import pytest

from tests.hosts.framework import changes

BEFORE = {
    "mounts": {"/": "ext4 /dev/vda / rw rw shared"},
    "groups": {"/": "cpu memory", "/system.slice": ""},
    "files": {"/etc/hosts": "-rw-r--r-- 0:0 20"},
}


def test_a_host_that_stayed_as_it_was_has_no_changes() -> None:
    assert changes.between(BEFORE, BEFORE) == []


def test_a_mount_that_became_private_is_a_change() -> None:
    after = {**BEFORE, "mounts": {"/": "ext4 /dev/vda / rw rw private"}}
    assert len(changes.between(BEFORE, after)) == 1
    assert "private" in changes.between(BEFORE, after)[0]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("mounts", "/run/tare/container/root"),
        ("groups", "/tare-1234"),
        ("groups", "/system.slice/tare-1234"),
        ("files", "/run/tare/container/left"),
        ("files", "/tmp/tare-leaks-x"),
    ],
)
def test_what_is_left_is_a_change(kind: str, name: str) -> None:
    after = {**BEFORE, kind: {**BEFORE[kind], name: "new"}}
    assert [line.split(": ")[1] for line in changes.between(BEFORE, after)] == [name]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("mounts", "/run/user/0"),
        ("groups", "/user.slice/user-0.slice/session-7.scope"),
        ("groups", "/system.slice/systemd-hostnamed.service"),
        ("files", "/run/tare/campaign.lock"),
    ],
)
def test_what_changes_by_itself_is_none(kind: str, name: str) -> None:
    after = {**BEFORE, kind: {**BEFORE[kind], name: "new"}}
    assert changes.between(BEFORE, after) == []
