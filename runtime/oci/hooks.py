"""`hooks`: programs of the life cycle (config.md, "POSIX-platform Hooks")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.oci.node import INT64
from runtime.spec import Hook, Hooks

if TYPE_CHECKING:
    from runtime.oci.node import Node

#: Name in the file to field, in the order in which they run.
NAMES = {
    "prestart": "prestart",
    "createRuntime": "create_runtime",
    "createContainer": "create_container",
    "startContainer": "start_container",
    "poststart": "poststart",
    "poststop": "poststop",
}


def read(node: Node | None) -> Hooks:
    """The hooks of a bundle.

    Raises:
        SpecError: naming the field.
    """
    if node is None:
        return Hooks()
    found = {
        field: tuple(_read_hook(entry) for entry in node.nodes(name))
        for name, field in NAMES.items()
    }
    node.close()
    return Hooks(**found)


def _read_hook(node: Node) -> Hook:
    return Hook(
        path=node.require(node.text("path"), "path"),
        args=node.texts("args"),
        env=node.texts("env"),
        timeout_s=node.integer("timeout", INT64),
    )


def write(hooks: Hooks) -> dict[str, Any]:
    """The `hooks` object, {} where there is none."""
    return {
        name: [_write_hook(entry) for entry in getattr(hooks, field)]
        for name, field in NAMES.items()
        if getattr(hooks, field)
    }


def _write_hook(hook: Hook) -> dict[str, Any]:
    found: dict[str, Any] = {"path": hook.path}
    if hook.args:
        found["args"] = list(hook.args)
    if hook.env:
        found["env"] = list(hook.env)
    if hook.timeout_s is not None:
        # whole seconds in the file; at least the one that must be above zero
        found["timeout"] = max(1, round(hook.timeout_s))
    return found
