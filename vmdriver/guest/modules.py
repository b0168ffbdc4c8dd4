"""Find kernel modules and what they depend on, without depmod.

A freshly unpacked kernel package has no ``modules.dep`` (the package's post-install script makes
it), so the dependencies are read from each module's ``.modinfo`` section. Some are not by name: a
module that asks the crypto API for an algorithm when it is loaded says so as a soft dependency
(modprobe.d(5)), which names the algorithm; ``modules.alias`` knows who provides it.
"""

import lzma
import subprocess
from collections.abc import Iterable
from pathlib import Path

from vmdriver.errors import GuestBuildError

NEEDED = ("virtio_pci", "virtio_console", "virtio_blk", "erofs", "overlay")
"""Without these no guest sees the image; Debian's cloud kernel has the last three as modules."""

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
        self._aliases = _aliases(folder)
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
        content = self._read[name]
        for dependency in modinfo(content, "depends").split(","):
            if dependency:
                self._visit(_normal(dependency), found)
        for wish in soft_dependencies(modinfo(content, "softdep")):
            provider = self._provider(_normal(wish))
            if provider is not None:
                self._visit(provider, found)
        found[name] = content

    def _provider(self, name: str) -> str | None:
        """The module of that name or alias; None where it is built in or nobody is.

        Of several only the one for any CPU is taken: another one's CPU the guest may not have.
        """
        known = [name, *(module for module in self._aliases.get(name, ()) if module in self)]
        if any(module in self._built_in for module in known):
            return None
        fit = [module for module in known if module in self and module.endswith("_generic")]
        return name if name in self else next(iter(fit), None)


def modinfo(module: bytes, key: str) -> str:
    """The value of ``key`` among the module's ``key=value`` strings, or an empty string."""
    at = module.find(b"\0" + key.encode() + b"=")
    if at < 0:
        return ""
    start = at + len(key) + 2
    return module[start : module.index(b"\0", start)].decode()


def soft_dependencies(words: str) -> list[str]:
    """What to load before, of a ``softdep``: ``pre: a b post: c`` gives a and b."""
    before = words.partition("post:")[0]
    return before.partition("pre:")[2].split()


def _normal(name: str) -> str:
    return name.replace("-", "_")


def _built_in(modules: Path) -> set[str]:
    lines = _text(modules / "modules.builtin").split()
    return {_normal(Path(line).name.removesuffix(".ko")) for line in lines}


def _aliases(modules: Path) -> dict[str, list[str]]:
    """Alias to modules, those built in among them, of aliases that are plain names."""
    found: dict[str, list[str]] = {}

    def add(alias: str, module: str) -> None:
        if "*" not in alias:
            found.setdefault(_normal(alias), []).append(_normal(module))

    for line in _text(modules / "modules.alias").splitlines():
        match line.split():
            case ["alias", alias, module]:
                add(alias, module)
    for entry in _text(modules / "modules.builtin.modinfo").split("\0"):
        module, mark, alias = entry.partition(".alias=")
        if mark:
            add(alias, module)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


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
