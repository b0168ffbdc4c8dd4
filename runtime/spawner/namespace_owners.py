"""Owners of user namespaces: an id for each, that nothing else on the host has.

Inotify instances and watches, bytes of POSIX message queues, pending signals and locked memory are
counted for each user, and what is used in a user namespace counts for its owner as well, who is
whoever made it (kernel/ucount.c; user_namespaces(7)). Were that root, a container could use up what
the host's own services need, and 128 inotify instances would have to do for all containers.
"""

from __future__ import annotations

#: Behind the ids of containers, where systemd allots none (systemd's UIDS-GIDS, "Special ranges").
FIRST = 0x7100_0000
COUNT = 1 << 24


class NamespaceOwners:
    """Ids one after the other, from a place on that differs from engine to engine.

    Args:
        marker: name of the engine, which ends in random hexadecimal digits.
    """

    def __init__(self, marker: str) -> None:
        self._next = int(marker[-6:], 16)
        with open("/proc/self/uid_map", encoding="ascii") as file:
            ranges = [[int(word) for word in line.split()] for line in file]
        self._usable = any(
            first <= FIRST and first + size >= FIRST + COUNT for first, _, size in ranges
        )

    def take(self) -> int:
        """The next id; 0 where these ids do not exist here, as in another's container."""
        if not self._usable:
            return 0
        self._next = (self._next + 1) % COUNT
        return FIRST + self._next
