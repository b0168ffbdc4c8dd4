"""Changes to a specification that choose a container's network.

A bridge (`Engine.run(attach=True)`) needs none: the container has a network namespace of its own,
and an interface is put into it.
"""

from dataclasses import replace
from pathlib import Path
from typing import Protocol

from runtime.spec import Namespace, Spec
from runtime.spec.ablation import without


class Running(Protocol):
    """A container that has a first process."""

    @property
    def pid(self) -> int:
        """Host process id."""


def none(spec: Spec) -> Spec:
    """A network namespace in which even the loopback interface is down."""
    return replace(spec, linux=replace(spec.linux, loopback=False))


def host(spec: Spec) -> Spec:
    """The host's network; /sys, which shows it, is the host's as well, read-only."""
    return replace(without(spec, "net"), profile=spec.profile)


def join(spec: Spec, other: Running | Path) -> Spec:
    """Another container's network, or that of a namespace's path."""
    path = other if isinstance(other, Path) else Path(f"/proc/{other.pid}/ns/net")
    # only the owner of a network namespace may mount the /sys that shows it
    shared = host(spec)
    namespaces = (*shared.linux.namespaces, Namespace("network", path))
    return replace(shared, linux=replace(shared.linux, namespaces=namespaces))
