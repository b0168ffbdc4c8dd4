"""The exceptions that the runtime raises.

ContainerError
├── SpecError            the specification is wrong; names the field
├── UnsupportedError     this host's kernel cannot do what was asked
├── EngineError          the spawner could not start, died, or answered nonsense
├── SetupError           the kernel refused one step of making a container
│   ├── CgroupError      … one write, move or removal below a control group
│   ├── HookError        … a hook of the bundle failed
│   └── ExecError        … the workload program cannot be run
└── StateError           the container does not exist, exists already, or is in the wrong state
"""

from __future__ import annotations


class ContainerError(Exception):
    """Base of every error of the runtime: one plain sentence on one line.

    Names in an image may hold anything: a line break, or what a terminal would take for an order,
    is written as in Python's strings.
    """

    def __init__(self, text: str) -> None:
        super().__init__(
            text
            if text.isprintable()
            else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
        )


class SpecError(ContainerError):
    """The specification is wrong.

    Attributes:
        path: the field in question as a JSON path below the bundle's config.json.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class UnsupportedError(ContainerError):
    """This host's kernel cannot do what was asked."""


class EngineError(ContainerError):
    """The spawner could not start, died, or answered nonsense."""


class SetupError(ContainerError):
    """The kernel refused one step of making a container.

    Attributes:
        operation: what was tried, in the words of the plan.
        errno: the kernel's number, 0 where none applies.
    """

    def __init__(self, operation: str, reason: str, errno: int = 0) -> None:
        super().__init__(f"cannot {operation}: {reason}")
        self.operation = operation
        self.reason = reason
        self.errno = errno


class CgroupError(SetupError):
    """One write, move or removal below a control group failed."""


class HookError(SetupError):
    """A hook of the bundle failed, so the container is stopped and removed."""


class ExecError(SetupError):
    """The workload program cannot be run."""


class StateError(ContainerError):
    """The container does not exist, exists already, or is in the wrong state."""
