"""What of ours is on the host: compared before and after each visit, so that nothing stays behind.

Everything the runtime makes bears its engine's name, ``tare-`` and a random number. Engines live as
long as a campaign and are there on both sides of the comparison; instances must not be.
"""

from __future__ import annotations

from pathlib import Path

from runtime import cgroups

_NAME = "tare-"
_LINKS = Path("/sys/class/net")
_MOUNTS = Path("/proc/self/mountinfo")


def traces() -> frozenset[str]:
    """Name, in words, every control group, mount and network link of ours.

    Mounts are those of this process's mount namespace, in which tare should make none at all.
    """
    return frozenset((*_groups(), *_mounts(), *_links()))


def _groups() -> list[str]:
    return [
        f"control group {group}"
        for home in cgroups.homes()
        for engine in Path(home).glob(f"{_NAME}*")
        for group in engine.iterdir()
        if group.is_dir()
    ]


def _mounts() -> list[str]:
    found = []
    for line in _MOUNTS.read_text(encoding="utf-8").splitlines():
        fields, _, tail = line.partition(" - ")
        if tail.split(" ")[1].startswith(_NAME):
            found.append(f"mount {fields.split(' ')[4]}")
    return found


def _links() -> list[str]:
    return [f"network link {link.name}" for link in _LINKS.glob(f"{_NAME}*")]
