"""Stand-ins for the programs of a build, a host's kernel and busybox, and an OCI image layout."""

import hashlib
import json
import platform
import struct
import sys
from pathlib import Path
from typing import Any

from benchmarks.image.own_kernel import HostKernel
from vmdriver import harness

ARCH = harness.of(platform.machine()).debian
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
TOOLS = ("apt-get", "apt-cache", "apt-config", "dpkg-deb", "depmod", "mmdebstrap")
NAMES = ("virtio_pci", "virtio_console", "virtio_blk", "erofs", "overlay")


def write(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def programs(folder: Path) -> None:
    """Programs that succeed at nothing; the enclosure, which needs root, is left out."""
    folder.mkdir()
    for name in TOOLS:
        write(folder / name, "exit 0")
    write(folder / "mkfs.erofs", 'shift $(($# - 2)); echo block > "$1"')
    write(folder / "setpriv", 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"')
    # with its namespace goes the shell that makes the mounts in it slaves: never on this host
    write(folder / "unshare", 'while [ "$1" != -- ]; do shift; done; shift 5; exec "$@"')


def make_tree(script: Path, busybox: Path) -> None:
    """An mmdebstrap that makes a small tree and counts how often it does."""
    write(
        script,
        f"""\
        [ "$1" = --version ] && exit 0
        echo made >> {script}.calls
        for root; do [ -e "$before" ] || true; before=$last; last=$root; done
        mkdir -p "$before/usr/bin" "$before/etc"
        cp {busybox} "$before/usr/bin/busybox"
        ln -s usr/bin "$before/bin"
        """,
    )


def elf(*, note: bytes) -> bytes:
    header = bytearray(64)
    header[:5] = b"\x7fELF\x02"
    struct.pack_into("<Q", header, 0x20, 64)
    struct.pack_into("<H", header, 0x38, 2)
    segments = struct.pack("<IIQQQQQQ", 1, 5, 176, 1 << 24, 1 << 24, 4, 4, 4096)
    segments += struct.pack("<IIQQQQQQ", 4, 4, 180, 0, 0, len(note), len(note), 4)
    return bytes(header) + segments + b"text" + note


PVH = struct.pack("<III", 4, 4, 18) + b"Xen\0" + struct.pack("<I", 1 << 24)


def plant_kernel(root: Path, release: str, *, note: bytes = PVH) -> HostKernel:
    """A kernel where Debian keeps it, all that a guest needs built in."""
    modules = root / "usr" / "lib" / "modules" / release
    modules.mkdir(parents=True)
    (modules / "modules.builtin").write_text("".join(f"kernel/{name}.ko\n" for name in NAMES))
    (modules / "build").symlink_to(f"/usr/src/linux-headers-{release}")
    boot = root / "boot"
    boot.mkdir(exist_ok=True)
    (boot / f"vmlinuz-{release}").write_bytes(elf(note=note))
    (boot / f"config-{release}").write_text("CONFIG_PVH=y\n")
    image = boot / f"vmlinuz-{release}"
    return HostKernel("the host's own", release, f"#1 {release}", image, modules)


def static_program(path: Path) -> Path:
    """What looks like a static busybox of this host's architecture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(Path(sys.executable).read_bytes()[:64] + b"busybox")
    path.chmod(0o755)
    return path


class Layout:
    """A layout that a test writes blob by blob."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, content: bytes, kind: str = "", **more: object) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (self.folder / "blobs" / "sha256" / digest).write_bytes(content)
        described = {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}
        return described | more

    def image(
        self,
        *layers: dict[str, Any],
        arch: str = ARCH,
        notes: dict[str, str] | None = None,
        digests: list[str] | None = None,
    ) -> dict[str, Any]:
        ids = digests or [f"sha256:{index}" for index, _ in enumerate(layers)]
        config = {"architecture": arch, "os": "linux", "rootfs": {"diff_ids": ids}}
        manifest = {
            "schemaVersion": 2,
            "config": self.blob(json.dumps(config).encode()),
            "layers": layers,
            "annotations": notes or {},
        }
        return self.blob(json.dumps(manifest).encode())

    def index(self, *manifests: dict[str, Any]) -> Path:
        text = json.dumps({"schemaVersion": 2, "manifests": manifests})
        (self.folder / "index.json").write_text(text)
        return self.folder
