"""Containers where the profiles' ids do not exist: what they get, and what is told of it.

An ordinary user's spawner enters a user namespace in which the user is root, and containers get the
ids that it has: the user's own as 0, and above it those of /etc/subuid and /etc/subgid. Root in a
user namespace of few ids, as in another's container, gives its containers those.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import UnsupportedError
from runtime.spec import DEFAULT_HOST_ID, DEFAULT_ID_COUNT, IdMapping, id_mappings
from runtime.users import mappings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.spec import Mount, Spec
    from runtime.users.mappings import Rootless


def losses(available: Rootless | None, no_groups: str) -> list[str]:
    """Sentences for what a user's containers do without.

    Args:
        available: what may be mapped; None where the profiles' own ids exist.
        no_groups: why there are no control groups, "" where there are.
    """
    found = list(available.notes) if available else []
    if no_groups:
        found.append(
            f"containers have no control group, so nothing limits or counts them: {no_groups}"
        )
    return found


def unprivileged(available: Rootless) -> bool:
    """Whether the user's own group is all there is to map, which forbids setgroups(2)."""
    return mappings.is_own(available.gid_mappings, os.getegid())


def map_ids(pid: int, available: Rootless) -> None:
    """Give a process that has entered a new user namespace the user's ids.

    Raises:
        UnsupportedError: newuidmap(1) is needed and missing.
        SetupError: it refuses.
        OSError: the kernel refuses.
    """
    uids, gids = available.uid_mappings, available.gid_mappings
    if not (mappings.is_own(uids, os.geteuid()) and unprivileged(available)):
        mappings.write(pid, uids, gids)
        return
    folder = Path(f"/proc/{pid}")
    (folder / "setgroups").write_text("deny")
    (folder / "gid_map").write_text(id_mappings.lines(gids))
    (folder / "uid_map").write_text(id_mappings.lines(uids))


def fit(spec: Spec, available: Rootless) -> Spec:
    """The specification with ids that there are, in place of the profiles' own.

    In the spawner's user namespace a user's begin at 0, so a container gets them one by one.

    Raises:
        UnsupportedError: an ordinary user asks for ids of its own choice.
    """
    if spec.linux.namespace("user") is None:
        return spec
    if chooses(spec):
        if os.geteuid() == 0:
            return spec
        raise UnsupportedError(
            "linux.uidMappings: an ordinary user's containers get the ids that /etc/subuid gives; "
            "leave the mappings to the profile, or run as root"
        )
    uids, gids = _same(available.uid_mappings), _same(available.gid_mappings)
    most = [sum(entry.size for entry in side) for side in (uids, gids)]
    mounts = tuple(_fit_mount(entry, *most) for entry in spec.mounts)
    linux = replace(spec.linux, uid_mappings=uids, gid_mappings=gids)
    return replace(spec, linux=linux, mounts=mounts)


def chooses(spec: Spec) -> bool:
    """Whether a specification names ids of its own choice."""
    return any(entry.host_id != DEFAULT_HOST_ID for entry in spec.linux.uid_mappings)


def moved(spec: Spec, first: int) -> Spec:
    """The specification with an engine's own ids in place of the profiles'.

    A layer that stays keeps the profiles' own: another engine has to find its owners again.

    Args:
        spec: what to run.
        first: of the engine's range.
    """
    own = spec.linux.uid_mappings, spec.linux.gid_mappings
    usual = all(
        (entry.host_id, entry.size) == (DEFAULT_HOST_ID, DEFAULT_ID_COUNT)
        for side in own
        for entry in side
    )
    if first == DEFAULT_HOST_ID or not usual or isinstance(spec.root.upper, Path):
        return spec
    uids, gids = (tuple(replace(entry, host_id=first) for entry in side) for side in own)
    linux = replace(spec.linux, uid_mappings=uids, gid_mappings=gids)
    return replace(spec, linux=linux)


def _same(available: Sequence[IdMapping]) -> tuple[IdMapping, ...]:
    # one entry for each of the parent's: the kernel takes none that spans two
    return tuple(IdMapping(each.container_id, each.container_id, each.size) for each in available)


def _fit_mount(entry: Mount, uids: int, gids: int) -> Mount:
    """Without owners that are not mapped: the kernel would refuse the file system (EINVAL)."""
    limits = {"uid": uids, "gid": gids}
    kept = []
    for option in entry.options:
        name, _, value = option.partition("=")
        if name in limits and value.isdigit() and int(value) >= limits[name]:
            continue
        kept.append(option)
    return replace(entry, options=tuple(kept))
