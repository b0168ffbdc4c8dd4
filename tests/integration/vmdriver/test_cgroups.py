"""QEMU in cgroups of its own, as the containers are: what they count is what the VM uses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.cgroups import Group, layout, manager
from tests.integration.vmdriver.conftest import Configure
from vmdriver import Driver, leftovers


@pytest.fixture
def group() -> Iterator[Group]:
    made = manager("tare-vm-test", layout.current())
    assert made is not None
    one = made.create("one")
    yield one
    one.remove()
    made.close()


def anonymous_bytes(group: Group) -> int:
    folder = Path(group.paths.get("memory") or group.paths["unified"])
    stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return int(stat["rss"] if "rss" in stat else stat["anon"])


def test_a_vm_is_counted_in_its_cgroups(driver: Driver, configure: Configure, group: Group) -> None:
    folders = tuple(map(Path, group.paths.values()))
    with driver.start(configure(name="counted", cgroups=folders)) as vm:
        for folder in folders:
            assert (folder / "cgroup.procs").read_text().split() == [str(vm.pid)], folder
        memory = vm.memory()
        anonymous = memory.rss_bytes - memory.file_bytes
        # Pages that QEMU touched before it connected stay with who started it.
        assert 0.9 * anonymous < anonymous_bytes(group) < 1.1 * anonymous
    assert leftovers(driver.state) == []
    assert all((folder / "cgroup.procs").read_text() == "" for folder in folders)
