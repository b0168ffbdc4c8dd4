"""Removing what a crash left behind: processes, control groups, state directories.

Identity is the engine's random name. It stands in the state directory, in the path of every
control group, and as the source of every mount of ours, which makes it visible in
/proc/PID/mountinfo of every process that lives in such a mount namespace. Pids are never trusted:
a process is killed through a pidfd, and only once that name was found again behind it. What was
recorded in another pid namespace cannot be judged from here: it is named and left alone.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.cgroups import files
from runtime.recovery import processes
from runtime.recovery import record as records

_NAME = re.compile(r"tare-[0-9a-f]{12}")
_DEATH_S = 5.0
_YOUNG_S = 10.0
_OTHERS_WRITE = 0o022


@dataclass(frozen=True, slots=True)
class _Wreck:
    """An engine whose spawner is gone."""

    folder: Path
    cgroups: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.folder.name


def leftovers(state: Path) -> list[str]:
    """What crashed engines with this state directory left behind, in words; changes nothing."""
    found = []
    for wreck in _wrecks(state):
        found += [f"process {pid} of {wreck.name}" for pid in _processes(wreck)]
        found += [f"control group {path}" for path in wreck.cgroups if Path(path).is_dir()]
        if records.has_network(wreck.folder):
            from runtime import network  # seldom, and slow to import

            found += network.leftovers(wreck.name)
        found.append(f"state directory {wreck.folder}")
    return found


def clean(state: Path) -> list[str]:
    """Remove it; returns what was removed, in words.

    Raises:
        OSError: something resists, e.g. a group that stays busy.
    """
    removed = []
    for wreck in _wrecks(state):
        removed += _remove(wreck)
    return list(dict.fromkeys(removed))


def left_alone(state: Path) -> list[str]:
    """What is there and not provably ours to remove, in words."""
    foreign = [
        f"{folder}: it belongs to another than user {os.geteuid()}, or others may write to it"
        for folder in _found(state)
        if not _is_own(folder)
    ]
    return foreign + [
        f"{folder}: its owner, process {record['pid']} of another namespace, may be running"
        for folder in _folders(state)
        if (record := records.read(folder)) and records.elsewhere(record)
    ]


def clean_up(folder: Path) -> None:
    """Remove what the engine of this directory left behind; its spawner must have ended.

    Raises:
        OSError: something resists.
    """
    _remove(_Wreck(folder, tuple(_groups(folder.name, records.read(folder)))))


def _remove(wreck: _Wreck) -> list[str]:
    removed = _end(wreck)
    removed += [f"control group {path}" for path in wreck.cgroups if files.remove(path)]
    for folder in {Path(path).parent for path in wreck.cgroups}:
        if folder.name == f"{wreck.name}.scope" and folder.is_dir():
            from runtime.cgroups import systemd  # where systemd was asked for it

            systemd.await_end(str(folder))
    if records.has_network(wreck.folder):
        from runtime import network  # seldom, and slow to import

        removed += network.remove(wreck.name)
    records.remove(wreck.folder)
    # rmdir, never a recursive removal: nothing but empty directories can be lost
    for folder in (wreck.folder / "territory", wreck.folder):
        if folder.is_dir():
            folder.rmdir()
    removed.append(f"state directory {wreck.folder}")
    return removed


def _end(wreck: _Wreck) -> list[str]:
    """Kill its processes; those that were, in words.

    Raises:
        OSError: one outlives it.
    """
    removed = []
    deadline = time.monotonic() + _DEATH_S
    while pids := _processes(wreck):
        if time.monotonic() > deadline:
            # the record stays, or nobody would find them any more
            raise OSError(
                errno.ETIMEDOUT,
                f"process {pids[0]} of {wreck.name} outlives SIGKILL; see its stack",
            )
        removed += [
            f"process {pid} of {wreck.name}"
            for pid in pids
            if processes.kill(pid, lambda pid: _bears(pid, wreck.name))
        ]
        for path in wreck.cgroups:
            files.thaw(path)
        time.sleep(0.02)
    return removed


def _folders(state: Path) -> list[Path]:
    """The engines' directories, dead and living; nobody else's record is believed."""
    return [folder for folder in _found(state) if _is_own(folder)]


def _found(state: Path) -> list[Path]:
    root = Path(state)
    found = root.iterdir() if root.is_dir() else ()
    return sorted(folder for folder in found if _NAME.fullmatch(folder.name))


def _is_own(folder: Path) -> bool:
    """Whether an engine of ours has made it, and nobody else could write to it."""
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.geteuid()
        and not status.st_mode & _OTHERS_WRITE
    )


def _wrecks(state: Path) -> list[_Wreck]:
    wrecks = []
    for folder in _folders(state):
        record = records.read(folder)
        if record and records.spawner_lives(record):
            continue
        try:
            age_s = time.time() - folder.stat().st_mtime
        except FileNotFoundError:
            continue  # it ended while we looked
        if record is None and age_s < _YOUNG_S:
            continue  # an engine that is just beginning or ending
        wrecks.append(_Wreck(folder, tuple(_groups(folder.name, record))))
    return wrecks


def _groups(name: str, record: dict[str, Any] | None) -> list[str]:
    """The engine's groups: as recorded, and any of that name it had no time to record."""
    from runtime import cgroups  # read when it matters

    guesses = [f"{folder}/{name}" for folder in cgroups.homes()]
    # a record that somebody else could write must not lead us to others' groups
    named = (record["cgroups"] if record else {}).values()
    known = [path for path in named if isinstance(path, str) and Path(path).name == name]
    return [path for path in dict.fromkeys(known + guesses) if files.is_group(path)]


def _processes(wreck: _Wreck) -> list[int]:
    numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return sorted(p for p in numbers if p != os.getpid() and _bears(p, wreck.name))


def _bears(pid: int, name: str) -> bool:
    """Whether a process lives in a control group, or in a mount namespace, of that engine."""
    if processes.start_time(pid) is None:
        return False  # it has ended, and waits for its parent
    for file, words in (
        ("cgroup", (f"/{name}/", f"/{name}\n", f"/{name}.scope")),
        ("mountinfo", (f" {name} ",)),
    ):
        try:
            if any(word in Path(f"/proc/{pid}/{file}").read_text() for word in words):
                return True
        except OSError:
            continue
    return False
