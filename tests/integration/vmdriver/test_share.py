"""A VM's command line is complete: it boots without libvirt too, which libvirt's share rests on."""

from benchmarks.suites.libvirt_share import start_directly, without_libvirt
from tests.integration.vmdriver.conftest import Configure
from vmdriver import Driver, leftovers


def test_the_command_line_on_record_boots_without_libvirt(
    driver: Driver, configure: Configure
) -> None:
    config = configure(name="share")
    with driver.start(config) as vm:
        argv, sockets = without_libvirt(vm.argv), vm.sockets
        assert len(argv) < len(vm.argv)
    stamps = start_directly(argv, sockets, config.payload)
    assert stamps["requested"] < stamps["spawned"] < stamps["kernel"] < stamps["main"]
    assert leftovers(driver.state) == []
