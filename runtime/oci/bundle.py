"""A loader of bundles: directories with a config.json (opencontainers/runtime-spec, bundle.md).

Read by hand and not by msgspec, whose import alone costs an OCI command line as much at every
command as all of this, and which drops the fields it does not know without a word.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import SpecError
from runtime.oci import hooks, linux, mounts, process
from runtime.oci.document import NAME, decode
from runtime.oci.node import Aside, Node
from runtime.spec import OCI_VERSION, Spec
from runtime.spec.hints import short
from runtime.spec.validation import check, validate

if TYPE_CHECKING:
    from collections.abc import Mapping

PROFILE = "bundle"
_OTHER_PLATFORMS = ("freebsd", "solaris", "vm", "windows", "zos")
_VERSION_PARTS = 3


def load(bundle: Path) -> Spec:
    """The container that a bundle describes.

    Args:
        bundle: a directory.

    Returns:
        The specification; `notes` says what of the bundle has no effect, `unknown` keeps it.

    Raises:
        SpecError: naming the JSON path: config.json cannot be read, a field is wrong, or asks for
            what this runtime cannot do and the container would be weaker without.
    """
    spec = parse(read_text(Path(bundle) / NAME), bundle)
    validate(spec)
    return spec


def parse(text: str | bytes | Mapping[str, Any], bundle: Path) -> Spec:
    """The container that the content of a config.json describes; the host is not looked at.

    Args:
        text: JSON, or what it would be decoded to.
        bundle: what relative paths start from.

    Raises:
        SpecError: as `load`.
    """
    bundle = Path(bundle).absolute()
    aside = Aside()
    node = Node("", decode(text), aside)
    version = _read_version(node)
    for key in _OTHER_PLATFORMS:
        value = node.take(key)
        if value is not None:
            node.keep(key, value, "is for another platform and has no effect")
    fields: dict[str, Any] = {
        "process": process.read(node.require(node.node("process"), "process")),
        "root": mounts.read_root(node, bundle),
        "hostname": node.text("hostname"),
        "domainname": node.text("domainname"),
        "mounts": mounts.read_mounts(node, bundle),
        "linux": linux.read(node.node("linux")),
        "hooks": hooks.read(node.node("hooks")),
        "annotations": node.text_map("annotations"),
    }
    node.close()
    spec = Spec(
        **fields,
        unknown=aside.unknown,
        notes=tuple(aside.notes),
        oci_version=version,
        profile=PROFILE,
    )
    check(spec)
    return spec


def read_text(path: Path) -> bytes:
    """The content of a configuration file.

    Raises:
        SpecError: it cannot be read, or is no regular file: a pipe would never end.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise SpecError(NAME, f"{path} is not a regular file")
            return file.read()
    except OSError as error:
        raise SpecError(NAME, f"cannot read {path}: {error.strerror}") from error
    except ValueError:
        raise SpecError(NAME, f"{short(str(path))} cannot be a path") from None


def _read_version(node: Node) -> str:
    version: str = node.require(node.text("ociVersion"), "ociVersion")
    core = version.partition("+")[0].partition("-")[0].split(".")
    if len(core) != _VERSION_PARTS or not all(part.isascii() and part.isdigit() for part in core):
        raise SpecError("ociVersion", f"{short(version)} is no version such as '{OCI_VERSION}'")
    if core[0] != OCI_VERSION.partition(".")[0]:
        raise SpecError(
            "ociVersion", f"{short(version)} is not supported; this runtime knows {OCI_VERSION}"
        )
    ours = [int(part) for part in OCI_VERSION.split(".")]
    if len(core[1]) > len(str(ours[1])) or int(core[1]) > ours[1]:
        node.aside.notes.append(
            f"ociVersion: {version} is newer than {OCI_VERSION}; newer fields have no effect"
        )
    return version
