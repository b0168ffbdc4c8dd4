"""The lower bound of a container's start: a small C program, built where it is first needed."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import platformdirs

from benchmarks.errors import UnsuitableHostError

SOURCE = Path(__file__).parent / "floor.c"
_COMPILERS = ("cc", "gcc", "gcc-14", "clang")
_OPTIONS = ("-O2", "-Wall", "-Wextra")
_LIMIT_S = 120


def build(cache: Path | None = None) -> Path:
    """Return the built program, compiling it when this source has not been compiled before.

    Args:
        cache: Folder to keep it in; ``tare`` under the XDG cache directory by default.

    Raises:
        UnsuitableHostError: There is no C compiler, or it refuses; says how to get one.
    """
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    folder = (cache or platformdirs.user_cache_path("tare")) / "floor"
    program = folder / f"floor-{digest}-{os.uname().machine}"
    if program.exists():
        return program
    compiler = find_compiler()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        built = Path(work) / "floor"
        # a static program has the fewest pages for clone to copy; not every libc offers one
        for static in (("-static",), ()):
            try:
                done = subprocess.run(
                    [compiler, *_OPTIONS, *static, "-o", str(built), str(SOURCE)],
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=_LIMIT_S,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise UnsuitableHostError(f"cannot compile {SOURCE}: {error}") from error
            if done.returncode == 0:
                built.replace(program)
                return program
    said = (done.stderr.strip() or "no message").splitlines()[0]
    raise UnsuitableHostError(
        f"{compiler} cannot compile {SOURCE}: {said}; install the C library's headers (libc6-dev)",
    )


def find_compiler() -> str:
    """Return the path of a C compiler: ``$CC``, or the first known one on PATH.

    Raises:
        UnsuitableHostError: There is none.
    """
    for name in (os.environ.get("CC", ""), *_COMPILERS):
        path = shutil.which(name) if name else None
        if path:
            return path
    raise UnsuitableHostError(
        "the sandbox 'floor' is a C program and this host has no C compiler; install gcc",
    )
