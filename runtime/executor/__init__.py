"""The executor: the C program that carries out the plans of containers, built from these sources.

Compiled by the host's C compiler when it is first needed, statically where libc allows (the fewest
pages for a clone to copy), and kept under the user's cache folder by the digest of its sources.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCES = tuple(sorted(Path(__file__).parent.glob("*.[ch]")))
_COMPILERS = ("cc", "gcc", "gcc-14", "clang")
_OPTIONS = ("-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE")
_LIMIT_S = 120


def build(cache: Path | None = None) -> Path:
    """Path of the built executor.

    Args:
        cache: folder to keep it in; `tare` under the XDG cache directory by default.

    Raises:
        UnsupportedError: there is no C compiler, or it refuses; says how to get one.
    """
    return compiled("executor", SOURCES, cache)


def compiled(name: str, sources: Sequence[Path], cache: Path | None = None) -> Path:
    """Path of a C program, compiled when these sources have not been compiled before.

    Args:
        name: of the program, and of its folder in the cache.
        sources: files to compile, and the headers they include.
        cache: as for `build`.

    Raises:
        UnsupportedError: there is no C compiler, or it refuses.
    """
    digest = hashlib.sha256()
    for path in sources:
        digest.update(path.read_bytes())
    folder = (cache or _cache()) / name
    program = folder / f"{name}-{digest.hexdigest()[:16]}-{os.uname().machine}"
    if program.exists():
        return program
    compiler = find_compiler(name)
    units = [str(path) for path in sources if path.suffix == ".c"]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        built = Path(work) / name
        for static in (("-static",), ()):
            done = subprocess.run(
                [compiler, *_OPTIONS, *static, "-o", str(built), *units],
                capture_output=True,
                text=True,
                check=False,
                timeout=_LIMIT_S,
            )
            if done.returncode == 0:
                built.replace(program)
                return program
    said = (done.stderr.strip() or "no message").splitlines()[0]
    raise UnsupportedError(
        f"{compiler} cannot compile {units[0]}: {said}; install the C library's headers (libc6-dev)"
    )


def find_compiler(name: str) -> str:
    """Path of a C compiler: `$CC`, or the first known one on PATH.

    Raises:
        UnsupportedError: there is none.
    """
    for candidate in (os.environ.get("CC", ""), *_COMPILERS):
        path = shutil.which(candidate) if candidate else None
        if path:
            return path
    raise UnsupportedError(
        f"the {name} is a C program and this host has no C compiler; install gcc"
    )


def _cache() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("tare")
