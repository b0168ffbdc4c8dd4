"""The object that `features` prints: what this runtime can do (features.md, features-linux.md).

The text wants lists of what the runtime recognises, whatever the host has. What this host lacks of
it stands in the annotations, and in `seccomp`, which knows as much as the library does.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from runtime.oci import hooks, seccomp
from runtime.spec import NAMESPACES, OCI_VERSION, capabilities, mount_options

_OLDEST = "1.0.0"
#: Name in /proc/PID/ns, where it is not the type's.
_FILES = {"mount": "mnt", "network": "net"}
#: libseccomp's level of its interface (seccomp_api_get(3)) from which on it has a flag.
_FLAG_LEVELS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 2,
    "SECCOMP_FILTER_FLAG_LOG": 3,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 7,
}
#: Nobody serves a listener here.
_NOT_SERVED = ("SCMP_ACT_NOTIFY",)


def build() -> dict[str, Any]:
    """The features object, for this host's kernel and libraries."""
    filters, version = _seccomp()
    annotations = {
        "tarebench.kernel.release": os.uname().release,
        "tarebench.kernel.namespaces": ",".join(_kernel_namespaces()),
        "tarebench.kernel.capabilities": ",".join(_kernel_capabilities()),
    }
    if version is not None:
        annotations["io.github.seccomp.libseccomp.version"] = version
    return {
        "ociVersionMin": _OLDEST,
        "ociVersionMax": OCI_VERSION,
        "hooks": list(hooks.NAMES),
        "mountOptions": list(mount_options.KNOWN),
        "linux": {
            "namespaces": sorted(NAMESPACES),
            "capabilities": list(capabilities.ALL),
            "cgroup": {
                "v1": True,
                "v2": True,
                "systemd": True,
                "systemdUser": True,
                "rdma": False,
            },
            "seccomp": filters,
            "apparmor": {"enabled": False},
            "selinux": {"enabled": False},
            "intelRdt": {"enabled": False, "schemata": False, "monitoring": False},
            "mountExtensions": {"idmap": {"enabled": True}},
            "netDevices": {"enabled": False},
        },
        "annotations": annotations,
        "potentiallyUnsafeConfigAnnotations": [],
    }


def _kernel_namespaces() -> list[str]:
    folder = Path("/proc/self/ns")
    return sorted(kind for kind in NAMESPACES if (folder / _FILES.get(kind, kind)).exists())


def _kernel_capabilities() -> list[str]:
    try:
        last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    except (OSError, ValueError):
        return []
    return [name for name, number in capabilities.NUMBERS.items() if number <= last]


def _seccomp() -> tuple[dict[str, Any], str | None]:
    """The object, and the library's version; not enabled where the library is missing."""
    import ctypes

    class Version(ctypes.Structure):
        _fields_ = tuple((name, ctypes.c_uint) for name in ("major", "minor", "micro"))

    try:
        library = ctypes.CDLL("libseccomp.so.2")
        library.seccomp_version.restype = ctypes.POINTER(Version)
        version = library.seccomp_version().contents
        level = int(library.seccomp_api_get())
    except (OSError, AttributeError):  # seccomp_api_get came with 2.4
        return {"enabled": False}, None
    known = [
        name
        for name in seccomp.ARCHITECTURES
        if library.seccomp_arch_resolve_name(name.removeprefix("SCMP_ARCH_").lower().encode())
    ]
    filters = {
        "enabled": True,
        "actions": [name for name in seccomp.ACTIONS if name not in _NOT_SERVED],
        "operators": list(seccomp.OPERATORS),
        "archs": known,
        "knownFlags": list(seccomp.FLAGS),
        "supportedFlags": [name for name in seccomp.FLAGS if level >= _FLAG_LEVELS[name]],
    }
    return filters, f"{version.major}.{version.minor}.{version.micro}"
