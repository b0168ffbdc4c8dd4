"""Dropping the host's caches, so that a start reads the image and its own programs anew.

Documentation/admin-guide/sysctl/vm.rst, "drop_caches": 3 frees clean page cache, dentries and
inodes; what is dirty stays, so it is written out first. It changes nothing for good, but slows
whatever else runs on the host, so a campaign has to ask for it by name.
"""

from __future__ import annotations

import os
from pathlib import Path

DROP = Path("/proc/sys/vm/drop_caches")

_ALL = "3"


def drop(path: Path = DROP) -> str | None:
    """Drop the host's clean caches.

    Args:
        path: The kernel's file; another one only in tests.

    Returns:
        None, or in one sentence why the host does not allow it.
    """
    os.sync()
    try:
        path.write_text(_ALL)
    except OSError as error:
        return (
            f"this host does not let tare drop its caches ({path}: {error.strerror}); run tare as "
            "root outside any container"
        )
    return None
