import pytest

from benchmarks import sandboxes
from benchmarks.campaign import config
from benchmarks.errors import UnknownSandboxError
from benchmarks.session.resources import choose_resources


@pytest.mark.parametrize("name", ["oci:crun", "oci:my-runtime_2.0", "oci:crun:no-cgroup"])
def test_any_program_can_be_named_as_an_oci_runtime(name: str) -> None:
    assert sandboxes.find(name).name == "oci"


@pytest.mark.parametrize("name", ["oci:", "oci:../runc", "oci:crun:fast", "peer:docker"])
def test_other_names_are_unknown(name: str) -> None:
    with pytest.raises(UnknownSandboxError):
        sandboxes.find(name)


def test_a_slip_in_a_peers_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownSandboxError, match="did you mean 'peer:bwrap'"):
        sandboxes.find("peer:bwarp")


def test_every_peer_says_how_it_is_limited_and_how_often_the_suite_starts_it() -> None:
    chosen = config.load("peers")
    said = choose_resources(chosen).enforced
    assert said.keys() == set(chosen.sandboxes)
    assert said["peer:bwrap"] != said["oci:crun"] != said["oci:crun:no-cgroup"]
    assert all(sandboxes.find(name).suite_rounds > 0 for name in chosen.sandboxes)


def test_the_preset_compares_each_peer_with_what_has_the_same_limits() -> None:
    names = config.load("peers").sandboxes
    assert {"container", "container:no-cgroup", "floor", "floor:no-cgroup"} <= set(names)
    assert {"oci:crun", "oci:runc", "oci:crun:no-cgroup", "peer:bwrap"} <= set(names)
