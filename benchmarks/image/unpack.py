"""Lays the layers of an image into a directory, shut in there: a program of its own.

Run as ``python3 -I -S unpack.py ROOT BUSYBOX [FORMAT FILE]...``; it prints one line of JSON.
BUSYBOX is a file to lend to a tree that has none; empty for none, ``-`` for what is no root file
system. It opens what it needs, makes ROOT its root directory by chroot(2), and only then reads the
first name of an archive: no link, no ``..`` and no absolute path in it can lead out. Device nodes
are left out, since every sandbox has its own /dev. It imports nothing of the project, for no import
works once it is shut in.

Layers are applied as the OCI image specification says (image-spec, layer.md): ``.wh.NAME`` removes
NAME, and ``.wh..wh..opq`` all of its directory, of the layers below, never of its own. Owners,
modes with set-id bits, times and the attribute ``security.capability`` are kept.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import json
import lzma
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_EPOCH = 1735689600  # `tree.EPOCH`: of what is added here
_OPAQUE = ".wh..wh..opq"
_WHITEOUT = ".wh."
_CAPABILITY = "security.capability"
_MOUNT_POINTS = {"dev": 0o755, "etc": 0o755, "proc": 0o555, "run": 0o755, "sys": 0o555}
_OPENERS: dict[str, Callable[[IO[bytes]], Any]] = {
    "gzip": gzip.open,
    "bzip2": bz2.open,
    "xz": lzma.open,
}


class _Hashed:
    """A stream that is hashed while it is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._total = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        found = self._stream.read(size)
        self._total.update(found)
        return found

    def digest(self) -> str:
        while self.read(1 << 20):  # what follows the archive's end belongs to the layer
            pass
        return f"sha256:{self._total.hexdigest()}"


class _Layer:
    """What one layer has laid down so far; it is never undone by its own whiteouts."""

    def __init__(self) -> None:
        self._placed: set[str] = set()
        self.devices = 0
        self._times: dict[str, float] = {}

    def apply(self, stream: _Hashed) -> None:
        with tarfile.open(fileobj=stream, mode="r|") as archive:  # type: ignore[call-overload]  # read() is all it asks of a stream
            for member in archive:
                self._member(archive, member)
        for path, when in sorted(self._times.items(), reverse=True):
            with suppress(FileNotFoundError):
                os.utime(path, (when, when))

    def _member(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        folder, name = os.path.split(os.path.normpath("/" + member.name))
        folder = os.path.realpath(folder)  # one path for what several links lead to
        if name == _OPAQUE:
            self._empty(folder)
        elif name.startswith(_WHITEOUT + _WHITEOUT):
            pass  # aufs kept notes of its own under such names
        elif name.startswith(_WHITEOUT):
            hidden = name.removeprefix(_WHITEOUT)
            if hidden in {"", ".", ".."}:
                raise ValueError(f"{member.name} hides nothing")
            self._remove(os.path.join(folder, hidden))
        elif member.ischr() or member.isblk():
            self.devices += 1
        else:
            self._place(archive, member, os.path.join(folder, name))

    def _place(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        if path != "/":
            os.makedirs(os.path.dirname(path), exist_ok=True)
            both = member.isdir() and os.path.isdir(path) and not os.path.islink(path)
            if os.path.lexists(path) and not both:
                _delete(path)
        if member.isdir():
            os.makedirs(path, exist_ok=True)
        elif member.issym():
            os.symlink(member.linkname, path)
        elif member.islnk():
            os.link(os.path.normpath("/" + member.linkname), path, follow_symlinks=False)
        elif member.isfifo():
            os.mkfifo(path)
        elif member.isreg():
            source = archive.extractfile(member)
            assert source is not None  # it is a regular file
            with open(path, "xb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
        else:
            raise ValueError(f"{member.name} is of an unknown type {member.type!r}")
        if not member.islnk():  # the other name has them
            self._describe(member, path)
        while path not in self._placed:  # with what it lies in
            self._placed.add(path)
            path = os.path.dirname(path)

    def _describe(self, member: tarfile.TarInfo, path: str) -> None:
        os.chown(path, member.uid, member.gid, follow_symlinks=False)
        if not member.issym():
            os.chmod(path, stat.S_IMODE(member.mode))  # after chown, which clears set-id bits
        capability = member.pax_headers.get(f"SCHILY.xattr.{_CAPABILITY}")
        if capability is not None:
            value = capability.encode("utf-8", "surrogateescape")
            os.setxattr(path, _CAPABILITY, value, follow_symlinks=False)
        if member.isdir():
            self._times[path] = member.mtime  # what is laid in it later changes it
        else:
            os.utime(path, (member.mtime, member.mtime), follow_symlinks=False)

    def _empty(self, folder: str) -> None:
        if os.path.isdir(folder):
            for name in os.listdir(folder):
                self._remove(os.path.join(folder, name))

    def _remove(self, path: str) -> None:
        if path not in self._placed:
            _delete(path)
        elif os.path.isdir(path) and not os.path.islink(path):
            self._empty(path)


def _delete(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError):
            os.unlink(path)


def finish(busybox: IO[bytes] | None) -> list[str]:
    """Give the tree what every sandbox needs of one, and take device nodes out.

    Returns:
        What was added.
    """
    for folder, _, files in os.walk("/"):
        for name in files:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                os.unlink(path)
    added = []
    for name, mode in (*_MOUNT_POINTS.items(), ("tmp", 0o1777)):
        if not os.path.lexists(f"/{name}"):
            os.mkdir(f"/{name}")
            os.chmod(f"/{name}", mode)
            added.append(f"/{name}")
    if busybox is not None and not os.path.exists("/bin/busybox"):
        os.makedirs("/bin", exist_ok=True)
        _delete("/bin/busybox")
        with open("/bin/busybox", "xb") as file:
            shutil.copyfileobj(busybox, file, 1 << 20)
        os.chmod("/bin/busybox", 0o755)  # noqa: S103  # as the package has it
        added.append("/bin/busybox")
    for path in added:
        os.utime(path, (_EPOCH, _EPOCH))
    return added


def _open(form: str, path: str) -> IO[bytes]:
    """Open a layer; a form that Python cannot undo itself is undone by its program."""
    if form == "zstd":
        child = subprocess.Popen(["zstd", "-q", "-d", "-c", path], stdout=subprocess.PIPE)
        assert child.stdout is not None
        return child.stdout
    raw = open(path, "rb")
    return raw if form == "tar" else _OPENERS[form](raw)


def main(root: str, busybox: str, *layers: str) -> None:
    """Do it; see the module."""
    os.umask(0o022)
    streams = [_open(*pair) for pair in zip(layers[::2], layers[1::2], strict=True)]
    lent = open(busybox, "rb") if busybox.strip("-") else None
    os.chroot(root)
    os.chdir("/")
    digests, devices = [], 0
    for stream in streams:
        hashed, layer = _Hashed(stream), _Layer()
        layer.apply(hashed)
        digests.append(hashed.digest())
        devices += layer.devices
    added = [] if busybox == "-" else finish(lent)
    print(json.dumps({"digests": digests, "devices": devices, "added": added}))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:  # noqa: BLE001  # an archive can be wrong in any way
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            sys.exit(error.strerror)
        print(json.dumps({"error": " ".join(str(error).split()) or type(error).__name__}))
