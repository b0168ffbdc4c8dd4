"""The executor: the C program that carries out the plans of containers, built from these sources.

Compiled by the host's C compiler when it is first needed, statically where libc allows (the fewest
pages for a clone to copy), and kept under the user's cache folder, root's under /var/cache, by the
digest of its sources.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
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
#: Of a program that stands between a container and the host.
_HARDENED = (
    "-fPIE", "-fstack-protector-strong", "-fstack-clash-protection", "-U_FORTIFY_SOURCE",
    "-D_FORTIFY_SOURCE=3", "-Wl,-z,relro,-z,now,-z,noexecstack",
)  # fmt: skip
_SYSTEM_CACHE = Path("/var/cache/tare")
_ALL_IDS = "0 0 4294967295"
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
    return compiled("executor", SOURCES, cache, hardened=True)


def compiled(
    name: str, sources: Sequence[Path], cache: Path | None = None, *, hardened: bool = False
) -> Path:
    """Path of a C program, compiled when these sources have not been compiled before.

    Args:
        name: of the program, and of its folder in the cache.
        sources: files to compile, and the headers they include.
        cache: as for `build`.
        hardened: with what compilers have against a fault that somebody exploits.

    Raises:
        UnsupportedError: as for `build`.
    """
    options = (*_OPTIONS, *_HARDENED) if hardened else _OPTIONS
    digest = hashlib.sha256(" ".join(options).encode())
    for path in sources:
        digest.update(path.read_bytes())
    # without links: what is checked is what is executed
    folder = (cache or _cache()).resolve() / name
    program = folder / f"{name}-{digest.hexdigest()[:16]}-{os.uname().machine}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_owner(folder)
        _check_way(folder)
        if program.exists():
            _check_owner(program)
            return program
        _compile(name, sources, program, options)
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


def _check_way(folder: Path) -> None:
    """Refuse a folder that somebody could exchange by a folder above it, once it is looked at."""
    allowed = {0, os.geteuid()}
    if not _all_ids():
        # in a user namespace root's folders are seen as nobody's
        allowed.add(int(Path("/proc/sys/kernel/overflowuid").read_text()))
    for above in folder.parents:
        status = above.lstat()
        shared = _others_write(status) and not status.st_mode & stat.S_ISVTX
        if status.st_uid not in allowed or shared:
            raise UnsupportedError(
                f"{above} can be changed by others than user {os.geteuid()}, so no program below "
                f"it is run; {_ELSEWHERE}"
            )


def _all_ids() -> bool:
    """Whether every user id is one here, as in the host's own user namespace."""
    return Path("/proc/self/uid_map").read_text().split() == _ALL_IDS.split()


def _others_write(status: os.stat_result) -> bool:
    """Whether others may; a group that is the owner's alone is nobody else (umask 002)."""
    if status.st_mode & stat.S_IWOTH:
        return True
    if not status.st_mode & stat.S_IWGRP:
        return False
    import grp
    import pwd

    try:
        own = pwd.getpwuid(status.st_uid)
        members = set(grp.getgrgid(status.st_gid).gr_mem)
    except KeyError:
        return True
    return status.st_gid != own.pw_gid or bool(members - {own.pw_name})


def _compile(name: str, sources: Sequence[Path], program: Path, options: Sequence[str]) -> None:
    compiler = find_compiler(name)
    units = [str(path) for path in sources if path.suffix == ".c"]
    with tempfile.TemporaryDirectory(dir=program.parent) as work:
        built = Path(work) / name
        pie = "-fPIE" in options
        for linked in (("-static-pie",), ("-pie",)) if pie else (("-static",), ()):
            try:
                done = subprocess.run(
                    [compiler, *options, *linked, "-o", str(built), *units],
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
    own = os.environ.get("XDG_CACHE_HOME")
    if os.geteuid() == 0 and not own and _all_ids() and os.access(_SYSTEM_CACHE.parent, os.W_OK):
        return _SYSTEM_CACHE  # whoever's home directory root runs with
    import platformdirs

    return platformdirs.user_cache_path("tare")
