"""Parts of a config.json that commands take by themselves.

`exec --process FILE` takes a `process` object, `update --resources FILE` a `resources` object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.oci import process, resources
from runtime.oci.document import decode
from runtime.oci.node import Aside, Node
from runtime.spec.validation import limits
from runtime.spec.validation import process as process_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.spec import Process, Resources


def parse_process(text: str | bytes | Mapping[str, Any]) -> tuple[Process, tuple[str, ...]]:
    """A `process` object, and sentences about what of it has no effect.

    Raises:
        SpecError: naming the JSON path, which begins with "process".
    """
    aside = Aside()
    found = process.read(Node("process", decode(text), aside))
    process_rules.check(found)
    return found, tuple(aside.notes)


def parse_resources(text: str | bytes | Mapping[str, Any]) -> tuple[Resources, tuple[str, ...]]:
    """A `resources` object, and sentences about what of it has no effect.

    Raises:
        SpecError: naming the JSON path, which begins with "linux.resources".
    """
    aside = Aside()
    found = resources.read(Node("linux.resources", decode(text), aside))
    limits.check(found, grouped=True)
    return found, tuple(aside.notes)
