"""Groups at a place that the caller names: `linux.cgroupsPath` of the OCI runtime-spec.

An absolute path is taken below the mount point of each hierarchy, a relative one below our own
group (on v2 below the home of an engine's groups; see `home`). Only groups that were made here are
removed again, and controllers are handed on only by such, and by groups that are our own or below
it.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from runtime.cgroups import files, home, layout, v1, v2
from runtime.cgroups.layout import V1_ALWAYS, V2_ALWAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runtime.cgroups.layout import Layout


#: The disk controller has a name of its own on each; devices are no controller of v2.
_OLD_NAMES = {"io": "blkio"}
_NEW_NAMES = {"blkio": "io"}


def at(
    path: str, controllers: Iterable[str] = (), where: Layout | None = None
) -> v1.LegacyGroup | v2.UnifiedGroup:
    """Make a group at this place, with the groups above it that are missing.

    A group that is there already is used where no process is in it, and then stays afterwards.
    `group.made` says what was made.

    Args:
        path: in OCI's sense.
        controllers: that it has from the start, besides those that every container has; the names
            of v1 or of v2.
        where: the layout of this process, or of the one whose own group counts.

    Raises:
        CgroupOSError: EINVAL, the path is not usable; EBUSY, processes are in the group or it is
            frozen; ENODEV, this host lets us use no controller, or lacks one asked for.
    """
    parts = _parts(path)
    where = layout.current() if where is None else where
    absolute = path.startswith("/")
    if where.v2:
        base = where.roots["unified"] if absolute else _home(where, take=True)
        asked = {_NEW_NAMES.get(name, name) for name in controllers} - {"devices"}
        return _unified("/".join((base, *parts)), where.v2, asked)
    if not where.v1:
        raise files.refusal("this host lets us use no cgroup controller")
    bases = where.roots if absolute else where.v1
    places = {name: "/".join((bases[name], *parts)) for name in where.v1}
    return _legacy(places, {_OLD_NAMES.get(name, name) for name in controllers})


def missing(path: str, where: Layout | None = None) -> list[str]:
    """Directories, parents first, that `at` and later limits would have to make at most.

    Whoever writes them down before finds what was made after a crash, and nothing of others'.

    Args:
        path: in OCI's sense.
        where: as for `at`.

    Raises:
        CgroupOSError: EINVAL, the path is not usable.
    """
    parts = _parts(path)
    where = layout.current() if where is None else where
    if where.v2:
        bases = [where.roots["unified"] if path.startswith("/") else _home(where, take=False)]
    else:
        bases = list(dict.fromkeys((where.roots if path.startswith("/") else where.v1).values()))
    found = []
    for base in bases:
        for count in range(1, len(parts) + 1):
            folder = "/".join((base, *parts[:count]))
            if not os.path.isdir(folder):
                found.append(folder)
    return found


def open_at(
    paths: Mapping[str, str],
    *,
    made: Iterable[str] | None = None,
    spare: Mapping[str, str] | None = None,
) -> v1.LegacyGroup | v2.UnifiedGroup:
    """Take up a group again that another process made.

    Args:
        paths: the `paths` of that group.
        made: its `made`; without, `remove` removes the group alone.
        spare: its `spare`; without, a limit cannot add a controller of v1.
    """
    if "unified" in paths:
        path = paths["unified"]
        kept = [path] if made is None else list(made)
        own = layout.current().v2
        return v2.UnifiedGroup(path, above=_givers(path, own, kept), made=kept)
    return v1.LegacyGroup(dict(paths), spare=spare, made=made)


def _parts(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or any(character in path for character in "\0\n"):
        raise files.refusal(
            f"the cgroups path {path!r} names no group below another; leave out '..'",
            errno.EINVAL,
        )
    return parts


def asks_systemd(where: Layout | None = None) -> bool:
    """Whether there is no place for groups of ours but a scope that systemd makes."""
    where = layout.current() if where is None else where
    return bool(where.v2) and not home.find(where.v2, where.roots["unified"]).path


def _home(where: Layout, *, take: bool) -> str:
    """Raises CgroupOSError where there is none without systemd being asked."""
    found = home.find(where.v2, where.roots["unified"]).path
    if found and take:
        home.claim("", where.v2, where.roots["unified"])  # of which only the making room matters
    if not found:
        raise files.refusal(
            "systemd manages the control groups of this host, so a relative path names none; have "
            "it make one (--systemd-cgroup), or name an absolute path"
        )
    return found


def _unified(path: str, own: str, asked: set[str]) -> v2.UnifiedGroup:
    made: list[str] = []
    try:
        files.make_all(path, made)
        if path not in made:
            _refuse_used(path)
        above = _givers(path, own, made)
        for folder in above:
            v2.enable(folder, {*V2_ALWAYS, *asked})
        group = v2.UnifiedGroup(path, above=above, made=made, fresh=path in made)
        for name in asked:
            group.need(name)
    except OSError:
        files.remove_made(made, ())
        raise
    return group


def _givers(path: str, own: str, made: Iterable[str]) -> list[str]:
    """Groups above `path` that we may have hand controllers on, from the top down."""
    found = []
    folder = os.path.dirname(path)
    while folder != "/":
        if folder in made or (own and f"{folder}/".startswith(f"{own}/")):
            found.append(folder)
        folder = os.path.dirname(folder)
    return found[::-1]


def _legacy(places: Mapping[str, str], asked: set[str]) -> v1.LegacyGroup:
    for name in sorted(asked - places.keys()):
        raise files.refusal(f"this host has no cgroup controller {name!r}")
    always = [name for name in places if name in V1_ALWAYS or name in asked] or list(places)
    # what is mounted together with one of these is there as well
    folders = dict.fromkeys(places[name] for name in always)
    paths = {name: path for name, path in places.items() if path in folders}
    made: list[str] = []
    try:
        for path in folders:
            v1.make_all(path, made, cpuset=places.get("cpuset") == path)
            if path not in made:
                _refuse_used(path)
    except OSError:
        files.remove_made(made, ())
        raise
    return v1.LegacyGroup(
        paths,
        spare={name: path for name, path in places.items() if name not in paths},
        made=made,
        fresh=folders.keys() <= set(made),
    )


def _refuse_used(path: str) -> None:
    if files.pids(path):
        raise files.refusal(f"the cgroup {path} holds processes; name another", errno.EBUSY)
    for name, frozen in (("freezer.state", "FROZEN"), ("cgroup.freeze", "1")):
        if os.path.exists(f"{path}/{name}") and files.read(f"{path}/{name}") == frozen:
            raise files.refusal(
                f"the cgroup {path} is frozen; thaw it or name another", errno.EBUSY
            )
