"""What is kept on disk of a container: one directory with a few files, below the root of all.

`status` is the record: JSON with the names that crun uses, so that what looks there finds them,
and some of our own. `config.json` is the bundle's as it was, for later processes. `start` is the
socket at which a created container waits; it goes with the start.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from runtime import record
from runtime.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from runtime.cgroups import Group

ID = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_+.-]*")
_LONGEST_ID = 1024
_RECORD, _CONFIG, _SOCKET = "status", "config.json", "start"
_FILES = (_RECORD, f"{_RECORD}.part", _CONFIG, _SOCKET)


@dataclass(kw_only=True)
class Record:
    """One container.

    Attributes:
        pid: of its first process, 0 while it is being made.
        start_time: of that process in clock ticks since boot, since a pid is used again.
        boot_id: the boot of the host that both belong to.
        bundle: absolute path.
        rootfs: absolute path.
        created: RFC 3339, UTC.
        cgroups: controller to directory; empty where it has none.
        made: groups to remove with it, parents first; `spare`: groups that a limit may need.
    """

    id: str
    bundle: str
    rootfs: str
    created: str
    owner: str
    oci_version: str
    pid: int = 0
    start_time: int | None = None
    boot_id: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    cgroups: dict[str, str] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    spare: dict[str, str] = field(default_factory=dict)
    descriptors: list[str] = field(default_factory=list)


class Entry:
    """The directory of one container."""

    def __init__(self, folder: Path, found: Record) -> None:
        self.folder = folder
        self.record = found

    @classmethod
    def make(cls, root: Path, found: Record) -> Self:
        """Take a name: making its directory is the lock.

        Raises:
            StateError: the name is not usable or in use, or the root cannot be written.
        """
        check_id(found.id)
        folder = root / found.id
        try:
            root.mkdir(mode=0o711, parents=True, exist_ok=True)
            folder.mkdir(mode=0o711)
        except FileExistsError:
            raise StateError(f"container {found.id!r} already exists") from None
        except OSError as error:
            raise StateError(f"cannot make {folder}: {error.strerror}") from error
        entry = cls(folder, found)
        entry.write()
        return entry

    @classmethod
    def open(cls, root: Path, name: str) -> Self:
        """Find a container.

        Raises:
            StateError: it does not exist, or its record cannot be read.
        """
        check_id(name)
        folder = root / name
        try:
            fields = json.loads((folder / _RECORD).read_text())
        except FileNotFoundError:
            raise StateError(f"container {name!r} does not exist") from None
        except (OSError, ValueError) as error:
            raise StateError(f"the record {folder / _RECORD} cannot be read: {error}") from error
        known = {key: fields[key] for key in Record.__dataclass_fields__ if key in fields}
        try:
            return cls(folder, Record(**known))
        except TypeError as error:
            raise StateError(f"the record {folder / _RECORD} is not complete") from error

    @classmethod
    def all(cls, root: Path) -> Iterator[Self]:
        """Every container below a root, by name."""
        if not root.is_dir():
            return
        for folder in sorted(root.iterdir()):
            try:
                yield cls.open(root, folder.name)
            except StateError:
                continue  # another command makes or deletes it just now

    def write(self) -> None:
        """Write the record, replaced in one step."""
        found = self.record
        fields: dict[str, Any] = asdict(found) | {
            "process-start-time": found.start_time,
            "cgroup-path": next(iter(found.cgroups.values()), ""),
            "scope": "",
            "systemd-cgroup": False,
            "detached": True,
            "external_descriptors": json.dumps(found.descriptors),
        }
        part = self.folder / f"{_RECORD}.part"
        with part.open("w") as file:
            file.write(json.dumps(fields))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.folder / _RECORD)

    @property
    def config(self) -> Path:
        """The copy of the bundle's configuration."""
        return self.folder / _CONFIG

    @property
    def socket(self) -> Path:
        """Where a created container waits for its start."""
        return self.folder / _SOCKET

    def group(self) -> Group | None:
        """Its control group; None where it has none."""
        if not self.record.cgroups:
            return None
        from runtime import cgroups

        found = self.record
        return cgroups.open_at(found.cgroups, made=found.made, spare=found.spare)

    def remember(self, group: Group) -> None:
        """Note a control group in the record; `write` keeps it."""
        self.record.cgroups = dict(group.paths)
        self.record.made, self.record.spare = list(group.made), dict(group.spare)

    @property
    def alive(self) -> bool:
        """Whether its first process runs: one that has ended and is not reaped yet does not."""
        found = self.record
        if not found.pid or found.boot_id != record.boot_id():
            return False
        started = record.start_time(found.pid)
        return started is not None and started == found.start_time

    def status(self) -> str:
        """One of OCI's words: creating, created, running, paused, stopped."""
        if not self.record.pid:
            return "creating"
        if not self.alive:
            return "stopped"
        group = self.group()
        try:
            if group and group.frozen():
                return "paused"
        except OSError:
            pass  # the group went meanwhile
        return "created" if self.socket.exists() else "running"

    def remove(self) -> None:
        """Remove the directory: the files that we know, and itself when it is empty."""
        for name in _FILES:
            (self.folder / name).unlink(missing_ok=True)
        try:
            self.folder.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            raise StateError(f"cannot remove {self.folder}: {error.strerror}") from error


def check_id(name: str) -> None:
    """Refuse what cannot be the name of a directory.

    Raises:
        StateError: invalid.
    """
    if not ID.fullmatch(name) or len(name) > _LONGEST_ID:
        raise StateError(
            f"invalid container ID {name[:80]!r}: invalid character or length; "
            "use letters, digits, _ + - and ., and begin with none of - and ."
        )
