"""Where the host has its power from: a processor on a battery is slower."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")


def source(root: Path = ROOT) -> str | None:
    """Return ``mains`` or ``battery``; None where no supply is told of, as on most servers.

    Supplies of other devices, such as a mouse, do not count (Documentation/ABI/testing/
    sysfs-class-power: scope).
    """
    supplies = [
        path
        for path in sorted(root.glob("sys/class/power_supply/*"))
        if _read(path / "scope") != "Device"
    ]
    if any(_read(path / "online") == "1" for path in supplies if _kind(path) != "Battery"):
        return "mains"
    states = {_read(path / "status") for path in supplies if _kind(path) == "Battery"}
    if "Discharging" in states:
        return "battery"
    return "mains" if states else None


def _kind(path: Path) -> str | None:
    return _read(path / "type")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
