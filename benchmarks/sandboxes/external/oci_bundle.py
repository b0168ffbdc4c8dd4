"""Write a container's specification as an OCI bundle's ``config.json``, for external runtimes.

``runtime.oci.writer`` translates each field; this module adds what these runtimes need besides.
They make the usual devices themselves, so those are not in the file.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from runtime import Spec
from runtime.harness import expand, oci_process, portable
from runtime.harness import oci_writer as writer
from runtime.spec import Mount, Resources

__all__ = ["INIT", "config", "expand", "process"]

INIT = "/sbin/tare-init"
"""Where the init program is bound inside, as ``docker run --init`` does."""

_VERSION = "1.0.2"
"""Old enough for every runtime; no field that we write is newer."""


def config(spec: Spec, *, rootfs: Path, cgroup: str | None, init: Path | None) -> dict[str, Any]:
    """Return the content of ``config.json`` for a specification.

    Args:
        spec: The container, as our runtime takes it.
        rootfs: Where its root is mounted already: an OCI runtime makes no overlay.
        cgroup: Path of its control group in every hierarchy; None for no group.
        init: The host's init program to put above the workload, where the spec asks for one.
    """
    wants_init = spec.process.init and init is not None
    mounts = [portable(mount) for mount in spec.mounts]
    if wants_init:
        options = ("bind", "ro", "nosuid", "nodev")
        mounts.append(Mount(destination=INIT, type="bind", source=str(init), options=options))
    resources = Resources() if cgroup is None else spec.linux.resources
    found = writer.write(
        replace(
            spec,
            oci_version=_VERSION,
            root=replace(spec.root, path=rootfs),
            mounts=tuple(mounts),
            linux=replace(spec.linux, cgroups_path=cgroup, resources=resources),
        )
    )
    return {**found, "process": process(spec, init=wants_init)}


def process(spec: Spec, *, init: bool = False) -> dict[str, Any]:
    """Return the ``process`` object: the workload, below the bound init where ``init`` is set."""
    args = (INIT, "--", *spec.process.args) if init else spec.process.args
    return oci_process.write(replace(spec.process, args=args))
