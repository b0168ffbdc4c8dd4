"""Groups at a place of the caller's."""

from __future__ import annotations

import signal

import pytest

from runtime import cgroups
from runtime.cgroups import files, layout
from runtime.spec.devices import DEFAULT_DEVICES
from tests.integration.runtime.cgroups.conftest import limit, member, needs_v1, reader

pytestmark = needs_v1


@pytest.mark.parametrize("prefix", ["/", ""])
def test_a_group_at_a_place_of_ones_own(name: str, prefix: str) -> None:
    made = cgroups.at(f"{prefix}{name}/deep/one", ("cpuset",))
    try:
        for controller, path in made.paths.items():
            base = layout.current().roots if prefix else layout.current().v1
            assert path == f"{base[controller]}/{name}/deep/one"
        with member(made, "sleep", "60") as process:
            # another process, which knows what the first has stored
            again = cgroups.open_at(made.paths, made=made.made, spare=made.spare)
            limit(again, pids_limit=7, devices=DEFAULT_DEVICES)
            assert reader(again)("pids", "pids.max") == ["7"]
            pid = str(process.pid)
            assert reader(again)("devices", "cgroup.procs") == [pid]
            with pytest.raises(files.CgroupOSError, match="holds processes"):
                cgroups.at(f"{prefix}{name}/deep/one")
            again.freeze()
            assert again.frozen()
            again.kill()
            assert process.wait(10) == -signal.SIGKILL
        again.remove()
    finally:
        made.remove()
