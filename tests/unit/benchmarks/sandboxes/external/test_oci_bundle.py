"""External runtimes get the same container as our own runtime."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.sandboxes.external import oci_bundle
from benchmarks.sandboxes.kinds import bwrap
from runtime import Resources, Spec, seccomp
from runtime.spec import profiles

LIMITS = Resources(memory_limit_bytes=64 << 20, cpus=1.5, pids_limit=7)


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    made: Spec = profiles.default(
        rootfs=tmp_path, args=["/bin/true", "x"], env={"A": "b=c"}, resources=LIMITS
    )
    return made


def config(spec: Spec, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"rootfs": Path("/r"), "cgroup": "/g/i", "init": Path("/usr/bin/tini")}
    return oci_bundle.config(spec, **(given | changes))


def test_the_same_namespaces_and_ids_are_asked_for(spec: Spec) -> None:
    linux = config(spec)["linux"]
    assert {entry["type"] for entry in linux["namespaces"]} == {
        "pid", "uts", "mount", "ipc", "network", "user", "cgroup",
    }  # fmt: skip
    mapping = {"containerID": 0, "hostID": 1_879_048_192, "size": 65_536}
    assert linux["uidMappings"] == linux["gidMappings"] == [mapping]


def test_the_same_privileges_are_left(spec: Spec) -> None:
    process = config(spec)["process"]
    assert process["noNewPrivileges"] is True
    kept = process["capabilities"]
    assert set(kept["bounding"]) == set(spec.process.capabilities or ())
    assert kept["effective"] == kept["permitted"] == kept["bounding"]
    assert "inheritable" not in kept
    assert "ambient" not in kept


def test_limits_are_in_the_units_of_the_file(spec: Spec) -> None:
    linux = config(spec)["linux"]
    assert linux["cgroupsPath"] == "/g/i"
    assert linux["resources"] == {
        "memory": {"limit": 64 << 20},
        "cpu": {"quota": 150_000, "period": 100_000},
        "pids": {"limit": 7},
    }


def test_without_a_group_nothing_is_said_of_one(spec: Spec) -> None:
    linux = config(profiles.without(spec, "cgroup"), cgroup=None)["linux"]
    assert "cgroupsPath" not in linux
    assert "resources" not in linux
    assert {"type": "cgroup"} not in linux["namespaces"]


def test_the_init_stands_above_the_workload(spec: Spec) -> None:
    made = config(spec)
    assert made["process"]["args"] == [oci_bundle.INIT, "--", "/bin/true", "x"]
    bound = next(mount for mount in made["mounts"] if mount["destination"] == oci_bundle.INIT)
    assert bound["source"] == "/usr/bin/tini"
    assert "ro" in bound["options"]


def test_without_an_init_program_the_workload_comes_first(spec: Spec) -> None:
    made = config(spec, init=None)
    assert made["process"]["args"] == ["/bin/true", "x"]
    assert oci_bundle.INIT not in {mount["destination"] for mount in made["mounts"]}


def test_masked_paths_hold_no_stars(spec: Spec) -> None:
    linux = config(replace(spec, linux=replace(spec.linux, masked_paths=("/pro*", "/none"))))
    assert linux["linux"]["maskedPaths"] == ["/proc", "/none"]


def test_the_filter_is_the_same_as_in_our_own_containers(spec: Spec) -> None:
    assert config(spec)["linux"]["seccomp"] == seccomp.to_object("default")
    assert "seccomp" not in config(profiles.without(spec, "seccomp"))["linux"]


def test_bubblewrap_is_asked_for_the_same_isolation(spec: Spec, tmp_path: Path) -> None:
    argv = bwrap.arguments(spec, tmp_path)
    for option in ("user", "pid", "net", "ipc", "uts", "cgroup"):
        assert f"--unshare-{option}" in argv
    added = {argv[i + 1] for i, word in enumerate(argv) if word == "--cap-add"}
    assert added == set(spec.process.capabilities or ())
    assert argv[argv.index("--overlay-src") + 1] == str(tmp_path)
