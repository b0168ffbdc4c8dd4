"""A specification as the content of a config.json: the reverse of `bundle.parse`.

What OCI has no word for is left out: the writable layer above the root, shifted owners, the init
program, Landlock, and a set of default devices other than its own. A number of CPUs is written as
quota and period, `memory_high_bytes` as a `unified` file, a built-in filter as its rules, masked
paths with stars as what they match on this host.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from runtime.oci import hooks, linux, mounts, process
from runtime.spec.paths import split

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.spec import Spec


def write(spec: Spec, bundle: Path | None = None) -> dict[str, Any]:
    """The content of a config.json; unknown fields stand where they were.

    Args:
        spec: the container.
        bundle: the directory it is for; a root inside gets a relative path.

    Raises:
        SpecError: a built-in filter is asked for that does not exist.
    """
    found: dict[str, Any] = {
        "ociVersion": spec.oci_version,
        "process": process.write(spec.process),
        "root": mounts.write_root(spec.root, bundle and bundle.absolute()),
    }
    values: dict[str, Any] = {
        "hostname": spec.hostname,
        "domainname": spec.domainname,
        "mounts": [mounts.write_mount(mount) for mount in spec.mounts],
        "hooks": hooks.write(spec.hooks),
        "annotations": dict(spec.annotations),
        "linux": linux.write(spec.linux),
    }
    found |= {key: value for key, value in values.items() if value}
    for path, value in spec.unknown.items():
        _put(found, split(path), value)
    return found


def _put(document: dict[str, Any], path: list[str | int], value: Any) -> None:
    """Put a value back; what the document says there already wins."""
    place: Any = document
    for token, following in pairwise(path):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(token, str) and isinstance(place, dict):
            place = place.setdefault(token, empty)
        elif isinstance(token, int) and isinstance(place, list):
            if token >= len(place):
                place.append(empty)
            place = place[min(token, len(place) - 1)]
        else:
            return
    last = path[-1]
    if isinstance(last, int) and isinstance(place, list):
        place.insert(last, value)
    elif isinstance(last, str) and isinstance(place, dict):
        place.setdefault(last, value)
