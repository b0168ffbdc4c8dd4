import os
import threading

import pytest

from vmdriver.libvirt.embedded import without_system_bus

BUS = "DBUS_SYSTEM_BUS_ADDRESS"


@pytest.mark.parametrize("before", [None, "unix:path=/run/elsewhere"])
def test_the_system_bus_is_back_after_starts_that_overlap(
    before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(BUS, raising=False)
    if before is not None:
        monkeypatch.setenv(BUS, before)
    inside, leave = threading.Event(), threading.Event()

    def start() -> None:
        with without_system_bus():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=start)
    with without_system_bus():
        thread.start()
        assert inside.wait(10)
    assert os.environ[BUS] == "unix:path=/nonexistent"
    leave.set()
    thread.join()
    assert os.environ.get(BUS) == before
