"""What is written is read again as what it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings

from runtime import Resources
from runtime.oci import bundle, writer
from runtime.spec import DeviceRule, Spec, profiles
from tests.unit.runtime.oci import strategies

BUNDLE = strategies.BUNDLE


def again(spec: Spec) -> Spec:
    return bundle.parse(json.dumps(writer.write(spec, BUNDLE)), BUNDLE)


@settings(max_examples=25, deadline=None)
@given(strategies.specs())
def test_a_specification_survives_the_file(spec: Spec) -> None:
    assert again(spec) == spec


@settings(max_examples=25, deadline=None)
@given(strategies.specs())
def test_a_file_is_written_as_it_was_read(spec: Spec) -> None:
    document = writer.write(spec, BUNDLE)
    assert writer.write(bundle.parse(document, BUNDLE), BUNDLE) == document


def objects(value: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every object of a document that the format describes, by path."""
    found = []
    if isinstance(value, dict):
        found.append((path, value))
        children = {f"{path}.{key}" if path else key: child for key, child in value.items()}
    elif isinstance(value, list):
        children = {f"{path}[{number}]": child for number, child in enumerate(value)}
    else:
        return found
    named = ("annotations", "linux.sysctl", "linux.resources.unified", "linux.seccomp")
    for inner, child in children.items():
        if inner not in (*named, "linux.timeOffsets"):
            found += objects(child, inner)
    return found


@settings(max_examples=25, deadline=None)
@given(strategies.specs())
def test_what_is_unknown_stands_where_it_was(spec: Spec) -> None:
    document = writer.write(spec, BUNDLE)
    places = [place for _, place in objects(document)]
    for place in places:
        place["x-y z"] = [1, {"deep": None}]
        place["surprise"] = "here"
    read = bundle.parse(json.dumps(document), BUNDLE)
    assert len(read.unknown) == 2 * len(places)
    assert len([note for note in read.notes if "is not known" in note]) == len(read.unknown)
    assert writer.write(read, BUNDLE) == document


def test_what_has_no_effect_is_written_again() -> None:
    document = {
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs", "readonly": False},
        "process": {
            "terminal": False,
            "consoleSize": {"height": 1, "width": 2},
            "user": {"uid": 0, "gid": 0},
            "args": ["a"],
            "env": [],
            "cwd": "/",
            "capabilities": {
                "bounding": ["CAP_NEW", "CAP_KILL", "CAP_NEWER"],
                "permitted": ["CAP_KILL"],
                "effective": ["CAP_KILL", "CAP_CHOWN"],
                "ambient": ["CAP_KILL"],
            },
            "noNewPrivileges": True,
            "apparmorProfile": "unconfined",
        },
        "linux": {
            "namespaces": [{"type": "mount"}],
            "memoryPolicy": {"mode": "MPOL_DEFAULT"},
            "resources": {
                "memory": {"kernel": 5, "swap": 0, "limit": 0},
                "cpu": {"realtimeRuntime": 7, "shares": 0},
                "blockIO": {
                    "weight": 0,
                    "weightDevice": [
                        {"major": 8, "minor": 0, "leafWeight": 10},
                        {"major": 8, "minor": 1, "weight": 10},
                    ],
                    "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 0}],
                },
            },
        },
        "windows": {"layerFolders": ["x"]},
    }
    read = bundle.parse(document, BUNDLE)
    assert read.process.capabilities == ("CAP_KILL",)
    assert read.process.capability_sets is None
    assert read.linux.resources == replace(Resources(), io_limits=read.linux.resources.io_limits)
    assert writer.write(read, BUNDLE) == document


def test_the_default_profile_can_be_given_to_others() -> None:
    limits = Resources(
        memory_limit_bytes=1 << 20, memory_swap_bytes=1 << 10, memory_high_bytes=1 << 19, cpus=1.5,
        cpu_weight=100, devices=(DeviceRule(allow=False),),
    )  # fmt: skip
    made = writer.write(profiles.default(rootfs=Path("/r"), args=["a"], resources=limits))
    assert made["linux"]["resources"] == {
        "devices": [{"allow": False, "access": "rwm"}],
        "memory": {"limit": 1 << 20, "swap": (1 << 20) + (1 << 10)},
        "cpu": {"shares": 1024, "quota": 150_000, "period": 100_000},
        "pids": {"limit": 2048},
        "unified": {"memory.high": str(1 << 19)},
    }
    assert made["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    assert made["root"] == {"path": "/r", "readonly": False}
    assert not any("*" in path for path in made["linux"]["maskedPaths"])
    assert bundle.parse(made, Path("/x")).notes == ()


def test_capabilities_left_alone_are_all_of_them() -> None:
    made = writer.write(profiles.bare(rootfs=Path("/r"), args=["a"]))
    assert len(made["process"]["capabilities"]["bounding"]) == 41
