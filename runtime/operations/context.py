"""What the steps of one container need to know beyond their own fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class Context:
    """State shared by the steps of one container, in the process that becomes it.

    Attributes:
        control: descriptor of the socket to the spawner.
        base: the spawner's scratch directory, a tmpfs that only its mount namespace has.
        lower: directory of the image, as the container's ids see it.
        marker: source name of our mounts; tells ours from others' in /proc/PID/mountinfo.
        init_fd: the init program, or -1.
        root_fd: the container's root once it is mounted.
        parent: pid of the spawner.
        passed: descriptors above 2 that the workload was given.
        sources: detached copies of the mounts that are to be bound, by path on the host.
        tokens: what the spawner has sent and no step has awaited yet.
    """

    __slots__ = (
        "argv", "base", "control", "env", "filters", "init_fd", "lower", "marker", "parent",
        "passed", "root_fd",
        "sources", "tokens",
    )  # fmt: skip

    def __init__(self, fields: dict[str, Any]) -> None:
        self.control: int = fields["control"]
        self.base: str = fields["base"]
        self.lower: str = fields["lower"]
        self.marker: str = fields["marker"]
        self.init_fd: int = fields["init_fd"]
        self.parent: int = fields["parent"]
        self.argv: Sequence[str] = fields["argv"]
        self.env: Sequence[str] = fields["env"]
        self.filters: dict[str, bytes] = fields["filters"]
        self.passed: Sequence[int] = fields["passed"]
        self.sources: dict[str, int] = fields["sources"]
        self.root_fd = -1
        self.tokens = b""
