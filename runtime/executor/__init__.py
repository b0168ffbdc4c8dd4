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
_LIMIT_S = 600  # an emulated host, or one with much else to do
_OTHERS_WRITE = 0o022
_ELSEWHERE = "set XDG_CACHE_HOME to a directory of your own"


def build(cache: Path | None = None) -> Path:
    """Path of the built executor.

    Args:
        cache: folder to keep it in; `tare` under the XDG cache directory by default.

    Raises:
        UnsupportedError: there is no C compiler, it refuses, or others can write to the folder.
    """
    return compiled("executor", SOURCES, cache)


def compiled(name: str, sources: Sequence[Path], cache: Path | None = None) -> Path:
    """Path of a C program, compiled when these sources have not been compiled before.

    Args:
        name: of the program, and of its folder in the cache.
        sources: files to compile, and the headers they include.
        cache: as for `build`.

    Raises:
        UnsupportedError: as for `build`.
    """
    digest = hashlib.sha256(" ".join(_OPTIONS).encode())
    for path in sources:
        digest.update(path.read_bytes())
    folder = (cache or _cache()) / name
    program = folder / f"{name}-{digest.hexdigest()[:16]}-{os.uname().machine}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_owner(folder)
        if program.exists():
            _check_owner(program)
            return program
        _compile(name, sources, program)
    except OSError as error:
        raise UnsupportedError(
            f"cannot build {program}: {error.strerror or error}; {_ELSEWHERE}"
        ) from error
    return program


def _check_owner(path: Path) -> None:
    """Refuse what another user could have put there or could exchange: we run it as who we are.

    So it is when root runs with a user's home directory (sudo -E).
    """
    status = path.lstat()
    if path.is_dir() and status.st_uid == os.geteuid() and status.st_mode & _OTHERS_WRITE:
        path.chmod(0o755)  # made under a lax umask; what others have put there shows by its owner
        status = path.lstat()
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & _OTHERS_WRITE:
        raise UnsupportedError(
            f"{path} can be changed by others than user {os.geteuid()}, so it is not run; "
            + _ELSEWHERE
        )


def _compile(name: str, sources: Sequence[Path], program: Path) -> None:
    compiler = find_compiler(name)
    units = [str(path) for path in sources if path.suffix == ".c"]
    with tempfile.TemporaryDirectory(dir=program.parent) as work:
        built = Path(work) / name
        for static in (("-static",), ()):
            try:
                done = subprocess.run(
                    [compiler, *_OPTIONS, *static, "-o", str(built), *units],
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=_LIMIT_S,
                )
            except subprocess.TimeoutExpired:
                raise UnsupportedError(
                    f"{compiler} has not compiled the {name} within {_LIMIT_S} s; try again when "
                    "the host is less busy"
                ) from None
            if done.returncode == 0:
                built.chmod(0o755)
                built.replace(program)  # another that built it meanwhile has built the same
                return
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
