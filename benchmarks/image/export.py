"""Writes an image with its kernel into one file, for hosts that cannot make one.

The file is an OCI image layout in a tar archive, which podman and skopeo read as ``oci-archive``.
The image has one layer, the tree. Its manifest is an annotation of it, the recipe included. The
kernel is an artifact beside it (manifest.md, "Guidelines for Artifact Usage"), whose one layer is
the kernel as its package has it.
"""

import gzip
import hashlib
import io
import platform
import shutil
import tarfile
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.image import store, tools
from benchmarks.image.builder import check_host, new_log
from benchmarks.image.layout import IMAGE_NOTE, KERNEL_NOTE, KERNEL_TYPE, NAME_NOTE
from benchmarks.image.model import Image
from benchmarks.image.scratch import interruptible, scratch
from benchmarks.image.store import Progress
from vmdriver import harness

_OCI = "application/vnd.oci.image"
_LEVEL = 5
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TAR = (
    *("tar", "--create", "--format=pax", "--sort=name", "--numeric-owner"),
    *("--xattrs", "--xattrs-include=security.capability"),
    # equal trees give equal archives: not when they were read, nor by which process
    "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
)


def export(
    ref: str, out: Path, cache: Path | None = None, *, progress: Progress = lambda _: None
) -> Image:
    """Write the image of that name or digest to `out`.

    Raises:
        StoreError: there is none.
        BuildError: it cannot be written.
    """
    check_host()
    tools.require("tar", "setpriv", "unshare")
    try:
        with interruptible(), store.locked(cache, progress) as folder, scratch(folder) as work:
            image = store.find(ref, cache)
            log = new_log(folder)
            _Layout(work, log, progress).write(image)
            progress(f"writing {out}")
            partial = out.with_name(f"{out.name}.partial")
            _pack(work, partial)
            partial.rename(out)
            log.unlink(missing_ok=True)
            return image
    except OSError as error:
        raise tools.explain_os_error("exporting the image", error) from error


class _Layout:
    """An image layout that grows in a folder."""

    def __init__(self, folder: Path, log: Path, progress: Progress) -> None:
        self._folder, self._log, self._progress = folder, log, progress
        (folder / "blobs" / "sha256").mkdir(parents=True)

    def write(self, image: Image) -> None:
        self._progress("packing the tree")
        manifests = [self._image(image)]
        if image.part is not None:
            self._progress("packing the kernel")
            subject = {key: manifests[0][key] for key in ("mediaType", "digest", "size")}
            layer, _ = self._layer(image.part.folder / "kernel")
            manifests.append(
                self._manifest(
                    layer,
                    self._json("application/vnd.oci.empty.v1+json", {}),
                    {KERNEL_NOTE: msgspec.json.encode(image.part.manifest).decode()},
                    artifactType=KERNEL_TYPE,
                    subject=subject,
                )
            )
        if image.manifest.name:
            manifests[0]["annotations"] = {NAME_NOTE: image.manifest.name}
        index = {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.index.v1+json",
            "manifests": manifests,
        }
        (self._folder / "index.json").write_bytes(msgspec.json.encode(index))
        (self._folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}', encoding="ascii")

    def _image(self, image: Image) -> dict[str, Any]:
        layer, diff_id = self._layer(image.root)
        config = {
            "created": image.built_at,
            "architecture": harness.of(platform.machine()).debian,
            "os": "linux",
            "config": {"Env": [_PATH], "Cmd": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        }
        notes = {IMAGE_NOTE: msgspec.json.encode(image.manifest).decode()}
        return self._manifest(layer, self._json(f"{_OCI}.config.v1+json", config), notes)

    def _manifest(
        self, layer: dict[str, Any], config: dict[str, Any], notes: dict[str, str], **more: object
    ) -> dict[str, Any]:
        kind = f"{_OCI}.manifest.v1+json"
        manifest = {
            "schemaVersion": 2,
            "mediaType": kind,
            **more,
            "config": config,
            "layers": [layer],
            "annotations": notes,
        }
        described = self._json(kind, manifest)
        return described | {key: more[key] for key in ("artifactType",) if key in more}

    def _layer(self, root: Path) -> tuple[dict[str, Any], str]:
        """Pack a tree; its descriptor, and the digest of the archive before it is compressed."""
        packed, small = self._folder / "layer.tar", self._folder / "layer.tar.gz"
        command = [*_TAR, f"--file={packed}", f"--directory={root}", "."]
        tools.run("packing a tree", command, log=self._log)
        with packed.open("rb") as source, small.open("wb") as raw:
            diff_id = f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}"
            source.seek(0)
            with gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as target:
                shutil.copyfileobj(source, target, 1 << 20)
        packed.unlink()
        with small.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        size = small.stat().st_size
        small.rename(self._blob(digest))
        kind = f"{_OCI}.layer.v1.tar+gzip"
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": size}, diff_id

    def _json(self, kind: str, content: object) -> dict[str, Any]:
        raw = msgspec.json.encode(content)
        digest = hashlib.sha256(raw).hexdigest()
        self._blob(digest).write_bytes(raw)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(raw)}

    def _blob(self, digest: str) -> Path:
        return self._folder / "blobs" / "sha256" / digest


def _pack(folder: Path, out: Path) -> None:
    """Write the layout as a tar archive that says nothing of this host."""
    with out.open("wb") as raw, tarfile.open(fileobj=raw, mode="w|") as archive:
        names = ["oci-layout", "index.json"]
        names += sorted(f"blobs/sha256/{path.name}" for path in folder.glob("blobs/sha256/*"))
        for name in names:
            path = folder / name
            entry = tarfile.TarInfo(name)
            entry.size = path.stat().st_size
            with path.open("rb") as source:
                archive.addfile(entry, io.BufferedReader(source.raw))
