"""The ids of the host that a user or a namespace may map, and how they are mapped.

Sources: user_namespaces(7), subuid(5), newuidmap(1). Pure but for `for_user`, which reads the
host's files, and `write`, which runs newuidmap and newgidmap.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runtime.errors import SetupError, UnsupportedError
from runtime.spec.filesystem import IdMapping
from runtime.spec.id_mappings import LAST_ID, MOST_EXTENTS, to_host
from runtime.spec.linux import DEFAULT_HOST_ID, DEFAULT_ID_COUNT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SUBUID, SUBGID = "/etc/subuid", "/etc/subgid"

_WAIT_S = 10.0
_FIELDS = 3


class Rootless(NamedTuple):
    """What an ordinary user may map.

    Attributes:
        notes: sentences for what is missing; none where there are subordinate ids of both kinds.
    """

    uid_mappings: tuple[IdMapping, ...]
    gid_mappings: tuple[IdMapping, ...]
    notes: tuple[str, ...] = ()


def subordinate(text: str, name: str | None, user_id: int) -> tuple[tuple[int, int], ...]:
    """First id and count of every range that belongs to a user.

    Args:
        text: content of /etc/subuid or /etc/subgid: `user:first:count` a line, where the user is a
            login name or an id. Other lines are skipped, as newuidmap does.
        name: login name, None where the id has none.
        user_id: also for subgid(5), whose first field is a user too.
    """
    found = []
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) != _FIELDS or fields[0] not in (name, str(user_id)):
            continue
        first, count = (_number(field) for field in fields[1:])
        if first is None or not count or first + count - 1 > LAST_ID:
            continue
        if (first, count) not in found:
            found.append((first, count))
    return tuple(found)


def rootless(
    name: str | None, uid: int, gid: int, *, subuid: str = "", subgid: str = ""
) -> Rootless:
    """The default mapping of an ordinary user: own id as 0, the subordinate ids from 1 on.

    Args:
        name: login name.
        uid: own id.
        gid: own group.
        subuid: text of /etc/subuid.
        subgid: text of /etc/subgid.
    """
    notes = []
    sides = []
    for file, own, text in ((SUBUID, uid, subuid), (SUBGID, gid, subgid)):
        ranges = subordinate(text, name, uid)
        if not ranges:
            kind = "users" if file == SUBUID else "groups"
            option = "--add-subuids" if file == SUBUID else "--add-subgids"
            notes.append(
                f"{name or uid} has no range in {file}, so the container has root alone and no "
                f"other {kind}; root can give one: usermod {option} FIRST-LAST {name or uid}"
            )
        sides.append(_stack(own, ranges))
    uid_mappings, gid_mappings = sides
    return Rootless(uid_mappings, gid_mappings, tuple(notes))


def for_user(uid: int | None = None, gid: int | None = None) -> Rootless:
    """`rootless` for a user of this host, by default the caller, from the host's files."""
    import pwd  # the checks, which every start needs, do without

    uid = os.geteuid() if uid is None else uid
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        name = None
        own = os.getegid()
    else:
        name = entry.pw_name
        own = os.getegid() if uid == os.geteuid() else entry.pw_gid
    return rootless(
        name, uid, own if gid is None else gid, subuid=_text(SUBUID), subgid=_text(SUBGID)
    )


def held(path: str) -> tuple[IdMapping, ...]:
    """All the ids that there are in a user namespace, each as itself.

    Args:
        path: of its uid_map or gid_map, e.g. /proc/self/uid_map.

    Raises:
        OSError: it cannot be read.
    """
    with Path(path).open(encoding="ascii") as file:
        lines = [[int(field) for field in line.split()] for line in file]
    return tuple(IdMapping(inside, inside, size) for inside, _, size in lines)


def for_namespace() -> Rootless | None:
    """What root may map in a user namespace of few ids, as Incus, LXC and rootless podman make it.

    None where the containers' own range (`DEFAULT_HOST_ID`) exists, as on every host. Elsewhere it
    is all that there is, each as itself: no owner of an image has to be shifted then, which only
    the host's root could have done (mount_setattr(2)).

    Raises:
        OSError: /proc cannot be read.
    """
    uids, gids = (held(f"/proc/self/{name}_map") for name in ("uid", "gid"))
    last = DEFAULT_HOST_ID + DEFAULT_ID_COUNT - 1
    if all(_holds(side, DEFAULT_HOST_ID) and _holds(side, last) for side in (uids, gids)):
        return None
    count = sum(entry.size for entry in uids)
    note = (
        f"this user namespace has {count} ids and none that nobody else uses, so the ids of a "
        "container are its own: root in a container is root here, with no more rights than files "
        "of its own give"
    )
    return Rootless(uids, gids, (note,))


def own_range(engine: str) -> int:
    """First of the host's ids for the containers of one engine.

    Pages of pipes, descriptors in flight and the like are counted for each id: what one engine's
    containers use up is not missing in another's. One engine's own share them.

    Args:
        engine: its name, which ends in random hexadecimal digits.
    """
    first = DEFAULT_HOST_ID + int(engine[-2:], 16) * DEFAULT_ID_COUNT
    last = first + DEFAULT_ID_COUNT - 1
    sides = [held(f"/proc/self/{name}_map") for name in ("uid", "gid")]
    there = all(_holds(side, first) and _holds(side, last) for side in sides)
    return first if there else DEFAULT_HOST_ID


def _holds(side: Iterable[IdMapping], number: int) -> bool:
    return to_host(side, number) is not None


def is_own(mappings: Sequence[IdMapping], own_id: int) -> bool:
    """Whether an unprivileged process may write this itself: one id, its own.

    For groups it has to write "deny" to /proc/PID/setgroups first (user_namespaces(7)).
    """
    return len(mappings) == 1 and (mappings[0].host_id, mappings[0].size) == (own_id, 1)


def command(program: str, pid: int, mappings: Iterable[IdMapping]) -> list[str]:
    """Command line of newuidmap(1) or newgidmap(1)."""
    words = [program, str(pid)]
    for entry in mappings:
        words += [str(entry.container_id), str(entry.host_id), str(entry.size)]
    return words


def helper(name: str) -> str:
    """Path of newuidmap or newgidmap.

    Raises:
        UnsupportedError: it is not installed, or has no privilege to give.
    """
    import shutil

    found = shutil.which(name)
    if found is None:
        raise UnsupportedError(
            f"{name} is not installed, and without it a user can map a single id; install the "
            "package uidmap (shadow-utils on Fedora)"
        )
    if not Path(found).stat().st_mode & stat.S_ISUID and not _has_capabilities(found):
        raise UnsupportedError(
            f"{found} is neither set-user-id nor has file capabilities, so it cannot map ids; "
            "install its package again, or have root run: chmod u+s " + found
        )
    return found


def write(pid: int, uids: Iterable[IdMapping], gids: Iterable[IdMapping]) -> None:
    """Map the ids of a process's new user namespace by newuidmap and newgidmap.

    Raises:
        UnsupportedError: one of them is missing.
        SetupError: one of them refused; in its own words.
    """
    import subprocess

    for name, mappings in (("newuidmap", uids), ("newgidmap", gids)):
        argv = command(helper(name), pid, mappings)
        what = f"map the container's ids by {' '.join(argv)}"
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_WAIT_S
            )
        except subprocess.TimeoutExpired as error:
            raise SetupError(what, f"it has not ended after {_WAIT_S:g} s") from error
        except OSError as error:
            raise SetupError(what, str(error.strerror), error.errno or 0) from error
        if done.returncode:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            said = "; ".join(said.splitlines()) or f"it ended with status {done.returncode}"
            raise SetupError(what, said)


def _stack(own: int, ranges: Iterable[tuple[int, int]]) -> tuple[IdMapping, ...]:
    """`own` as 0 and the ranges above it, without what would map an id twice."""
    stacked = [IdMapping(0, own, 1)]
    container_id = 1
    for first, count in ranges:
        taken = [(m.host_id, m.size) for m in stacked]
        if any(first < start + size and start < first + count for start, size in taken):
            continue
        count = min(count, LAST_ID + 1 - container_id)  # noqa: PLW2901  # what fits above
        if count < 1 or len(stacked) == MOST_EXTENTS:
            break
        stacked.append(IdMapping(container_id, first, count))
        container_id += count
    return tuple(stacked)


def _number(text: str) -> int | None:
    usable = text.isascii() and text.isdigit() and len(text) <= len(str(LAST_ID))
    return int(text) if usable else None


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:  # a host without the file gives no ranges
        return ""


def _has_capabilities(path: str) -> bool:
    try:
        return bool(os.getxattr(path, "security.capability"))
    except OSError:
        return False
