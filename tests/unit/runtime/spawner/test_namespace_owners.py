"""Ids that user namespaces belong to."""

from __future__ import annotations

from runtime.spawner.namespace_owners import COUNT, FIRST, NamespaceOwners
from runtime.spec import DEFAULT_HOST_ID, DEFAULT_ID_COUNT


def test_each_is_another_and_none_is_a_container_s() -> None:
    owners = NamespaceOwners("tare-0123456789ff")
    owners._usable = True
    taken = [owners.take() for _ in range(100)]
    assert len(set(taken)) == 100
    assert all(FIRST <= each < FIRST + COUNT for each in taken)
    assert DEFAULT_HOST_ID + DEFAULT_ID_COUNT <= FIRST


def test_they_go_round() -> None:
    owners = NamespaceOwners("tare-000000ffffff")
    owners._usable = True
    assert owners.take() == FIRST


def test_where_they_do_not_exist_there_are_none() -> None:
    owners = NamespaceOwners("tare-0123456789ff")
    owners._usable = False
    assert owners.take() == 0
