"""Find UEFI firmware on this host: OVMF, on arm64 AAVMF, as its package describes it.

Firmware packages describe each of their builds to who starts QEMU: JSON files in
``/usr/share/qemu/firmware``, those of the same name in ``/etc/qemu/firmware`` instead of them, the
best first by their names (QEMU ``docs/interop/firmware.json``). The build with secure boot is left
out: it starts no kernel that its keys have not signed, and a kernel that is given directly comes
without the signed loader that vouches for it.
"""

import fnmatch
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmdriver.architecture import Architecture, of_machine
from vmdriver.errors import ConfigError, VmError

FOLDERS = (Path("/usr/share/qemu/firmware"), Path("/etc/qemu/firmware"))

_SECURE = {"secure-boot", "enrolled-keys", "requires-smm"}
_FULL_NAMES = {"q35": "pc-q35-", "pc": "pc-i440fx-", "virt": "virt-"}


@dataclass(frozen=True)
class Firmware:
    """A build of UEFI firmware, for a pair of flash chips.

    Attributes:
        code: read-only, shared by all VMs.
        variables: template of the other chip, of which every VM has a copy to write to.
    """

    code: Path
    variables: Path


def find(machine: str, folders: Iterable[Path] = FOLDERS) -> Firmware:
    """The firmware for a machine type of QEMU's.

    Args:
        machine: as libvirt spells it: ``q35``, ``pc``, ``virt``, or one with a version.
        folders: where descriptions lie; a later one's file replaces an earlier one's.

    Raises:
        ConfigError: this host has none.
    """
    architecture = of_machine(machine)
    described: dict[str, Path] = {}
    for folder in folders:
        described |= {path.name: path for path in folder.glob("*.json")}
    for _name, path in sorted(described.items()):
        try:
            found = _described(json.loads(path.read_text(encoding="utf-8")), machine, architecture)
        except (OSError, ValueError, LookupError, TypeError):
            continue  # an empty file hides a build; another package's mistake is not ours to judge
        if found is not None and found.code.is_file() and found.variables.is_file():
            return found
    raise ConfigError(
        f"this host has no UEFI firmware for the machine {machine} (none without secure boot is "
        f"described in {' or '.join(map(str, folders))}); install {architecture.firmware_package}"
    )


def copy_variables(machine: str, copy: Path, owner: tuple[int, int] | None) -> None:
    """Give a VM variables of its own to write to.

    Args:
        machine: as in `find`.
        copy: where to.
        owner: user and group that QEMU runs as; None for our own.

    Raises:
        VmError: they cannot be written.
    """
    try:
        shutil.copyfile(find(machine).variables, copy)
        if owner is not None:
            os.chown(copy, *owner)
    except OSError as error:
        raise VmError(
            f"cannot write the UEFI variables of the VM {copy.stem} to {copy}: {error.strerror}"
        ) from error


def _described(build: dict[str, Any], machine: str, architecture: Architecture) -> Firmware | None:
    mapping = build["mapping"]
    if "uefi" not in build["interface-types"] or mapping["device"] != "flash":
        return None
    if mapping.get("mode", "split") != "split" or _SECURE & set(build["features"]):
        return None
    parts = mapping["executable"], mapping["nvram-template"]
    if any(part["format"] != "raw" for part in parts):
        return None
    full = _FULL_NAMES.get(machine, machine)
    for target in build["targets"]:
        known = (fnmatch.fnmatchcase(full, pattern) for pattern in target["machines"])
        if target["architecture"] == architecture.name and any(known):
            code, variables = (Path(part["filename"]) for part in parts)
            return Firmware(code, variables)
    return None
