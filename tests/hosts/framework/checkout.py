"""This checkout: the files that git tracks or would, as they stand now, committed or not."""

import subprocess
import tarfile
from pathlib import Path
from typing import IO

from tests.hosts.framework.errors import PreparationError

ROOT = Path(__file__).parents[3]


def files() -> list[str]:
    """Names of its files, relative to `ROOT`; in an unpacked archive, all but what is built.

    Raises:
        PreparationError: git fails.
    """
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "-co", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        raise PreparationError(f"git cannot list the files of {ROOT}: {listed.stderr.strip()}")
    return sorted(n for n in set(listed.stdout.split("\0")) if n and (ROOT / n).is_file())


def write_tar(stream: IO[bytes]) -> None:
    """Write its files to `stream`, as root's."""

    def as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        return member

    with tarfile.open(fileobj=stream, mode="w|") as archive:
        for name in files():
            archive.add(ROOT / name, arcname=name, filter=as_root)
