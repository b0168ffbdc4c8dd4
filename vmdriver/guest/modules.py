"""Finds kernel modules and what they depend on, without depmod.

A freshly unpacked kernel package has no ``modules.dep`` (the package's post-install script makes
it), so the dependencies are read from each module's ``.modinfo`` section.
"""

import lzma
import subprocess
from pathlib import Path

from vmdriver.errors import GuestBuildError

_SUFFIXES = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")


def ordered(modules: Path, wanted: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """The modules ``wanted`` with their dependencies, in the order to load them.

    Args:
        modules: ``…/lib/modules/RELEASE``.
        wanted: names; one that is built into the kernel is left out.

    Returns:
        Pairs of name and uncompressed module.

    Raises:
        GuestBuildError: a module is neither there nor built in, or cannot be decompressed.
    """
    if not modules.is_dir():
        raise GuestBuildError(
            f"there are no kernel modules at {modules}; give …/lib/modules/RELEASE"
        )
    built_in = _built_in(modules)
    paths = {
        _normal(path.name.split(".ko")[0]): path
        for path in (modules / "kernel").rglob("*.ko*")
        if path.name.endswith(_SUFFIXES)
    }
    found: dict[str, bytes] = {}

    def visit(name: str) -> None:
        name = _normal(name)
        if name in found or name in built_in:
            return
        if name not in paths:
            raise GuestBuildError(
                f"the kernel module {name} is neither below {modules} nor built in; "
                "use a kernel that has it"
            )
        content = _uncompressed(paths[name])
        for dependency in modinfo(content, "depends").split(","):
            if dependency:
                visit(dependency)
        found[name] = content

    for name in wanted:
        visit(name)
    return list(found.items())


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
