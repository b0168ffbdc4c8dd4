"""A VM's command line is complete: it boots without libvirt too, which libvirt's share rests on."""

from benchmarks.suites.libvirt_share import start_directly, without_libvirt
from tests.integration.vmdriver.conftest import Configure
from vmdriver import Driver, leftovers
from vmdriver.domain import SERIAL


def test_the_command_line_on_record_boots_without_libvirt(
    driver: Driver, configure: Configure
) -> None:
    config = configure(name="share")
    with driver.start(config) as vm:
        argv, folder = without_libvirt(vm.argv), vm.sockets[SERIAL].parent
        assert len(argv) < len(vm.argv)
    asked, main = start_directly(argv, folder, config.payload)
    assert asked < main
    assert leftovers(driver.state) == []
