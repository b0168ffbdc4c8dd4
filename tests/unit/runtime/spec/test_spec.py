"""Specifications, profiles and plans: values, no kernel."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import runtime
from runtime import Resources, Spec, SpecError
from runtime.plan import builder
from runtime.plan.steps import process
from runtime.spec import Mount, Namespace, profiles
from runtime.spec.capabilities import DOCKER, PODMAN, mask
from runtime.spec.validation import validate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return profiles.default(
        rootfs=tmp_path, args=["true"], resources=Resources(memory_limit_bytes=1 << 26)
    )


def names(steps: Sequence[object]) -> list[str]:
    return [type(step).__name__ for step in steps]


def test_public_names_all_resolve() -> None:
    for name in runtime.__all__:
        assert getattr(runtime, name) is not None


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = runtime.nothing


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"process": {"args": ()}}, "process.args"),
        ({"process": {"cwd": "tmp"}}, "process.cwd"),
        ({"process": {"env": {"A=B": ""}}}, "process.env"),
        ({"process": {"args": ("a\0b",)}}, "process.args"),
        ({"process": {"capabilities": ("CAP_NONE",)}}, "process.capabilities"),
        ({"linux": {"namespaces": (Namespace("universe"),)}}, "linux.namespaces[0].type"),
        ({"linux": {"uid_mappings": ()}}, "linux.uidMappings"),
        ({"linux": {"resources": Resources(pids_limit=0)}}, "linux.resources.pids.limit"),
        ({"linux": {"cgroup": False}}, "linux.resources.memory.limit"),
        ({"mounts": (Mount(destination="x", type="tmpfs"),)}, "mounts[0].destination"),
    ],
)
def test_a_wrong_field_is_named(spec: Spec, change: dict[str, Any], path: str) -> None:
    changed = {
        key: replace(getattr(spec, key), **value) if isinstance(value, dict) else value
        for key, value in change.items()
    }
    with pytest.raises(SpecError) as caught:
        validate(replace(spec, **changed))
    assert caught.value.path == path


def test_missing_image_says_so(spec: Spec, tmp_path: Path) -> None:
    missing = replace(spec, root=replace(spec.root, path=tmp_path / "gone"))
    with pytest.raises(SpecError, match="not a directory"):
        validate(missing)


def test_privileges_go_before_the_filter_and_exec_is_last(spec: Spec) -> None:
    order = names(builder.create(spec))
    late = ["NoNewPrivileges", "BoundCapabilities", "SetCapabilities", "DieWithParent",
            "CloseDescriptors", "Report", "FindProgram", "Filter", "Exec"]  # fmt: skip
    assert [name for name in order if name in late] == late
    assert order[-1] == "Exec"


def test_limits_hold_before_the_cgroup_namespace_and_the_exec(spec: Spec) -> None:
    steps = builder.create(spec)
    words = [step.describe() for step in steps]
    limits = words.index("wait until the cgroup limits hold")
    assert limits < words.index("make a cgroup namespace") < len(words) - 1


def test_the_privilege_to_load_a_filter_is_kept_only_where_it_is_needed(spec: Spec) -> None:
    admin = mask(["CAP_SYS_ADMIN"])
    for changed, kept in ((spec, 0), (profiles.without(spec, "no_new_privs"), admin)):
        steps = builder.create(changed)
        assert names(steps)[-2:] == ["Filter", "Exec"]
        (sets,) = (step for step in steps if isinstance(step, process.SetCapabilities))
        assert (sets.effective & admin, sets.permitted & admin) == (kept, kept)
        assert (sets.inheritable, sets.ambient) == (0, 0)
        # so that no program executed later has it
        (bound,) = (step for step in steps if isinstance(step, process.BoundCapabilities))
        assert not bound.keep & admin


def test_a_plan_prints_one_line_a_step(spec: Spec) -> None:
    steps = builder.create(spec)
    text = builder.describe(steps)
    assert len(text.splitlines()) == len(steps)
    assert "pivot into the root" in text


def test_native_is_chroot_and_nothing_else(tmp_path: Path) -> None:
    steps = builder.create(profiles.native(rootfs=tmp_path, args=["true"]))
    assert "Chroot" in names(steps)
    assert not {"NoNewPrivileges", "Filter", "SetCapabilities", "PivotRoot", "MountNew"} & set(
        names(steps)
    )
    assert builder.clone_flags(profiles.native(rootfs=tmp_path, args=["true"])) == 0


@pytest.mark.parametrize("technology", profiles.TECHNOLOGIES)
def test_an_ablation_differs_and_says_where(spec: Spec, technology: str) -> None:
    changed = profiles.without(spec, technology)
    assert changed.profile == f"default-{technology}"
    assert profiles.diff(changed, spec)
    validate(changed)
    builder.create(changed)


def test_default_does_not_differ_from_itself(spec: Spec) -> None:
    assert profiles.diff(spec, spec) == []


def test_a_diff_is_readable(spec: Spec) -> None:
    lines = profiles.diff(profiles.without(spec, "seccomp"), spec)
    assert lines == ["linux.seccomp: 'default' -> None"]


def test_unknown_technology_lists_the_known(spec: Spec) -> None:
    with pytest.raises(SpecError, match="mnt"):
        profiles.without(spec, "magic")


def test_capability_masks() -> None:
    assert mask(PODMAN) == 0x800405FB
    assert mask(DOCKER) == 0xA80425FB


def test_cgroups_are_mounted_only_after_their_namespace_is_made(spec: Spec) -> None:
    mounted = replace(spec, mounts=(*profiles.MOUNTS, profiles.CGROUP_MOUNT))
    words = [step.describe() for step in builder.create(mounted)]
    assert words.index("make a cgroup namespace") < words.index(
        "mount a fresh cgroup2 on /sys/fs/cgroup"
    )
    without = builder.create(profiles.without(mounted, "cgroup"))
    assert not any("cgroup2" in step.describe() for step in without)
