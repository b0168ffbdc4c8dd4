"""The objects that an OCI command line prints: state, features, a file to start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import SpecError
from runtime.oci import bundle, features, template
from runtime.oci.seccomp import ACTIONS
from runtime.oci.state import State
from runtime.spec import capabilities
from runtime.users import mappings

STATE = State(
    id="c1", status="running", bundle=Path("/b"), pid=7, annotations={"a": "b"}, oci_version="1.2.1"
)


def test_a_state_is_what_the_text_wants() -> None:
    assert STATE.to_object() == {
        "ociVersion": "1.2.1",
        "id": "c1",
        "status": "running",
        "pid": 7,
        "bundle": "/b",
        "annotations": {"a": "b"},
    }
    assert State.from_object(json.dumps(STATE.to_object())) == STATE


def test_a_stopped_container_has_no_process() -> None:
    stopped = State(id="c1", status="stopped", bundle=Path("/b"))
    assert set(stopped.to_object()) == {"ociVersion", "id", "status", "bundle"}
    assert State.from_object({**stopped.to_object(), "pid": 0}) == stopped


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "runing"}, "status: 'runing' is no status; did you mean 'running'?"),
        ({"pid": None}, "pid: is missing"),
        ({"pid": -1}, "pid: -1 is outside"),
        ({"id": ""}, "id: is missing"),
    ],
)
def test_a_wrong_state_says_so(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        State.from_object({**STATE.to_object(), **change})
    assert words in str(caught.value)


@given(st.dictionaries(st.sampled_from(["id", "pid", "status", "bundle"]), st.integers()))
def test_a_strange_state_is_a_spec_error(change: dict[str, Any]) -> None:
    if change:
        with pytest.raises(SpecError):
            State.from_object({**STATE.to_object(), **change, "status": 5})


def test_features_say_what_can_be_asked_for() -> None:
    found = json.loads(json.dumps(features.build()))
    assert (found["ociVersionMin"], found["ociVersionMax"]) == ("1.0.0", "1.3.0")
    assert "createContainer" in found["hooks"]
    assert {"rro", "tmpcopyup", "idmap"} <= set(found["mountOptions"])
    linux = found["linux"]
    assert linux["namespaces"] == sorted(linux["namespaces"])
    assert len(linux["namespaces"]) == 8
    assert linux["capabilities"] == list(capabilities.ALL)
    assert linux["cgroup"] == {
        "v1": True, "v2": True, "systemd": True, "systemdUser": True, "rdma": False,
    }  # fmt: skip
    assert linux["mountExtensions"] == {"idmap": {"enabled": True}}
    assert linux["apparmor"] == {"enabled": True}
    for absent in ("selinux", "intelRdt", "netDevices"):
        assert linux[absent]["enabled"] is False


def test_features_know_what_libseccomp_knows() -> None:
    found = features.build()
    rules = found["linux"]["seccomp"]
    assert rules["enabled"]
    assert set(rules["actions"]) == set(ACTIONS) - {"SCMP_ACT_NOTIFY"}
    assert {"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"} <= set(rules["archs"])
    assert set(rules["supportedFlags"]) <= set(rules["knownFlags"])
    major = int(found["annotations"]["io.github.seccomp.libseccomp.version"].split(".")[0])
    assert major == 2


def test_features_say_what_the_kernel_has() -> None:
    annotations = features.build()["annotations"]
    assert "mount" in annotations["tarebench.kernel.namespaces"].split(",")
    assert annotations["tarebench.kernel.capabilities"].startswith("CAP_CHOWN,")


def test_the_file_to_start_from_is_right_and_hardened() -> None:
    spec = bundle.parse(json.dumps(template.document()), Path("/b"))
    assert spec.notes == ()
    assert (spec.process.args, spec.process.terminal) == (("sh",), True)
    assert spec.root.readonly
    assert spec.process.no_new_privileges
    assert spec.process.capabilities == capabilities.PODMAN
    assert spec.linux.seccomp_object is not None
    assert spec.linux.namespace("user") is None  # whose root could not read what root unpacked
    assert not spec.linux.resources.devices[0].allow
    assert all(mount.source for mount in spec.mounts)
    assert "cgroup2" not in {mount.type for mount in spec.mounts}


def test_a_user_gets_a_file_that_needs_no_root() -> None:
    ranges = "joe:100000:65536\n"
    mapped = mappings.rootless("joe", 1000, 1000, subuid=ranges, subgid=ranges)
    spec = bundle.parse(template.document(mapped), Path("/b"))
    assert spec.linux.namespace("user") is not None
    assert spec.linux.uid_mappings == mapped.uid_mappings
    assert spec.linux.namespace("network") is None
    assert spec.linux.resources.pids_limit is None
    sysfs = next(mount for mount in spec.mounts if mount.destination == "/sys")
    assert (sysfs.type, sysfs.source) == ("bind", "/sys")
    pts = next(mount for mount in spec.mounts if mount.destination == "/dev/pts")
    assert "gid=5" in pts.options


def test_a_user_with_one_group_owns_no_terminal_by_another() -> None:
    spec = bundle.parse(template.document(mappings.rootless("joe", 1000, 1000)), Path("/b"))
    assert not any(option.startswith("gid=") for mount in spec.mounts for option in mount.options)
