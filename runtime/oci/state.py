"""The state of a container as OCI has it (runtime.md, "State"): printed, and given to hooks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import SpecError
from runtime.oci.document import decode
from runtime.oci.node import Aside, Node
from runtime.spec import OCI_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUSES = ("creating", "created", "running", "stopped", "paused")
"""The four of the text; "paused" is what every runtime adds for a frozen container."""

_ALIVE = ("created", "running", "paused")
_PIDS = range(2**31)  # 0 stands for none, as Go writes it


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What `state` prints.

    Attributes:
        status: one of `STATUSES`.
        bundle: absolute path.
        pid: of the first process as the host sees it; None where there is none.
        annotations: of the bundle.
        oci_version: the release of the runtime-spec that this object complies with.
    """

    id: str
    status: str
    bundle: Path
    pid: int | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    oci_version: str = OCI_VERSION

    def to_object(self) -> dict[str, Any]:
        """The object for JSON; without a pid where there is no process."""
        found: dict[str, Any] = {
            "ociVersion": self.oci_version,
            "id": self.id,
            "status": self.status,
            "bundle": str(self.bundle),
        }
        if self.pid is not None:
            found["pid"] = self.pid
        if self.annotations:
            found["annotations"] = dict(self.annotations)
        return found

    @classmethod
    def from_object(cls, text: str | bytes | Mapping[str, Any]) -> State:
        """The reverse: of JSON, or of what it was decoded to.

        Raises:
            SpecError: naming the field.
        """
        node = Node("", decode(text), Aside())
        status = node.require(node.word("status", "status", STATUSES), "status")
        pid = node.integer("pid", _PIDS) or None
        if pid is None and status in _ALIVE:
            raise SpecError("pid", f"is missing; a container that is {status} has a process")
        return cls(
            oci_version=node.require(node.text("ociVersion"), "ociVersion"),
            id=node.require(node.text("id"), "id"),
            status=status,
            bundle=Path(node.require(node.text("bundle"), "bundle")),
            pid=pid,
            annotations=node.text_map("annotations"),
        )
