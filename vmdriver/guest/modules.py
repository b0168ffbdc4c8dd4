"""Finds kernel modules and what they depend on, without depmod.

A freshly unpacked kernel package has no ``modules.dep`` (the package's post-install script makes
it), so the dependencies are read from each module's ``.modinfo`` section.
"""

import lzma
import subprocess
from collections.abc import Iterable
from pathlib import Path

from vmdriver.errors import GuestBuildError

_SUFFIXES = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")


class Modules:
    """The modules of one kernel.

    Args:
        folder: ``…/lib/modules/RELEASE``.

    Raises:
        GuestBuildError: there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise GuestBuildError(
                f"there are no kernel modules at {folder}; give …/lib/modules/RELEASE"
            )
        self._folder = folder
        self._built_in = _built_in(folder)
        self._paths = {
            _normal(path.name.split(".ko")[0]): path
            for path in (folder / "kernel").rglob("*.ko*")
            if path.name.endswith(_SUFFIXES)
        }
        self._read: dict[str, bytes] = {}

    def __contains__(self, name: str) -> bool:
        """Whether the kernel has the module, built in or not."""
        return _normal(name) in self._paths or _normal(name) in self._built_in

    def ordered(self, wanted: Iterable[str], *, optional: bool = False) -> list[tuple[str, bytes]]:
        """The modules ``wanted`` with their dependencies, in the order to load them.

        Args:
            wanted: names; one that is built into the kernel is left out.
            optional: leave out those that the kernel does not have, too.

        Returns:
            Pairs of name and uncompressed module.

        Raises:
            GuestBuildError: a module is neither there nor built in, or cannot be decompressed.
        """
        found: dict[str, bytes] = {}
        for name in wanted:
            if name in self or not optional:
                self._visit(_normal(name), found)
        return list(found.items())

    def _visit(self, name: str, found: dict[str, bytes]) -> None:
        if name in found or name in self._built_in:
            return
        if name not in self._paths:
            raise GuestBuildError(
                f"the kernel module {name} is neither below {self._folder} nor built in; "
                "use a kernel that has it"
            )
        if name not in self._read:
            self._read[name] = _uncompressed(self._paths[name])
        for dependency in modinfo(self._read[name], "depends").split(","):
            if dependency:
                self._visit(_normal(dependency), found)
        found[name] = self._read[name]


def modinfo(module: bytes, key: str) -> str:
    """The value of ``key`` among the module's ``key=value`` strings, or an empty string."""
    at = module.find(b"\0" + key.encode() + b"=")
    if at < 0:
        return ""
    start = at + len(key) + 2
    return module[start : module.index(b"\0", start)].decode()


def _normal(name: str) -> str:
    return name.replace("-", "_")


def _built_in(modules: Path) -> set[str]:
    try:
        lines = (modules / "modules.builtin").read_text().split()
    except OSError:
        return set()
    return {_normal(Path(line).name.removesuffix(".ko")) for line in lines}


def _uncompressed(path: Path) -> bytes:
    content = path.read_bytes()
    try:
        if path.suffix == ".xz":
            return lzma.decompress(content)
        if path.suffix in {".zst", ".gz"}:
            tool = "zstd" if path.suffix == ".zst" else "gzip"
            return subprocess.run(
                [tool, "-d", "-q", "-c"], input=content, capture_output=True, check=True
            ).stdout
    except (lzma.LZMAError, OSError, subprocess.CalledProcessError) as error:
        raise GuestBuildError(f"cannot decompress the module {path}: {error}") from error
    return content
