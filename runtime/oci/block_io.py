"""`linux.resources.blockIO`: one list a setting there, one record a device here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.errors import SpecError
from runtime.oci import weights
from runtime.oci.node import INT64, UINT16, UINT64
from runtime.spec import IoLimit

if TYPE_CHECKING:
    from runtime.oci.node import Node
    from runtime.spec import Resources

_WEIGHTS = range(10, 1001)
_THROTTLES = {
    "throttleReadBpsDevice": "read_bytes_per_s",
    "throttleWriteBpsDevice": "write_bytes_per_s",
    "throttleReadIOPSDevice": "read_ops_per_s",
    "throttleWriteIOPSDevice": "write_ops_per_s",
}
_LEAF = "Linux has no weight of leaves since 5.0"


def read(node: Node | None) -> dict[str, Any]:
    """The fields of `Resources` about block devices.

    Raises:
        SpecError: naming the field.
    """
    if node is None:
        return {}
    devices: dict[tuple[int, int], dict[str, int]] = {}
    weight = _read_weight(node)
    _keep_leaf(node)
    for entry in node.nodes("weightDevice"):
        device = _device(entry)
        value = entry.integer("weight", UINT16)
        if value:
            _keep_leaf(entry)
            _put(devices, device, "weight", _converted(entry, value), entry.path)
        else:
            entry.keep_whole(_LEAF)
    for key, field in _THROTTLES.items():
        for entry in node.nodes(key):
            device = _device(entry)
            rate = entry.require(entry.integer("rate", UINT64), "rate")
            if rate:
                _put(devices, device, field, rate, entry.path)
            else:
                entry.keep_whole()  # blkio-controller.rst: 0 takes a limit away
    node.close()
    limits = tuple(
        IoLimit(major=major, minor=minor, **fields) for (major, minor), fields in devices.items()
    )
    return {"io_weight": weight, "io_limits": limits}


def _read_weight(node: Node) -> int | None:
    weight = node.integer("weight", UINT16)
    if weight:
        return _converted(node, weight)
    if weight == 0:  # runc: not set
        node.keep("weight", 0)
    return None


def _converted(node: Node, weight: int) -> int:
    if weight not in _WEIGHTS:
        raise SpecError(node.at("weight"), f"{weight} is outside 10 to 1000")
    return weights.io_weight(weight)


def _keep_leaf(node: Node) -> None:
    value = node.integer("leafWeight", UINT16)
    if value is not None:
        node.keep("leafWeight", value, _LEAF if value else "")


def _device(node: Node) -> tuple[int, int]:
    major = node.require(node.integer("major", INT64), "major")
    return major, node.require(node.integer("minor", INT64), "minor")


def _put(
    devices: dict[tuple[int, int], dict[str, int]],
    device: tuple[int, int],
    field: str,
    value: int,
    path: str,
) -> None:
    fields = devices.setdefault(device, {})
    if field in fields:
        raise SpecError(path, f"names device {device[0]}:{device[1]} a second time")
    fields[field] = value


def write(limits: Resources) -> dict[str, Any]:
    """The `blockIO` object, {} where nothing is limited."""
    found: dict[str, Any] = {}
    if limits.io_weight is not None:
        found["weight"] = weights.block_weight(limits.io_weight)
    weighted = [
        {**_numbers(entry), "weight": weights.block_weight(entry.weight)}
        for entry in limits.io_limits
        if entry.weight is not None
    ]
    if weighted:
        found["weightDevice"] = weighted
    for key, field in _THROTTLES.items():
        throttled = [
            {**_numbers(entry), "rate": getattr(entry, field)}
            for entry in limits.io_limits
            if getattr(entry, field) is not None
        ]
        if throttled:
            found[key] = throttled
    return found


def _numbers(limit: IoLimit) -> dict[str, int]:
    return {"major": limit.major, "minor": limit.minor}
