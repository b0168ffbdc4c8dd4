"""cgroup v2 with all its controllers, in a guest: the only place where a host has them on v1."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import runtime
from tests.framework import inside_guest

if TYPE_CHECKING:
    from tests.integration.vmdriver.conftest import Configure
    from vmdriver import Driver

MIB = 1 << 20
#: The runtime and the program come on standard input.
LOADER = """
import sys
with open("/tmp/runtime.zip", "wb") as file:
    file.write(sys.stdin.buffer.read())
sys.path.insert(0, "/tmp/runtime.zip")
import inside_guest
inside_guest.main()
"""


def package() -> bytes:
    """The runtime and the program as one file that Python can import from."""
    folder = Path(runtime.__file__).parent
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in folder.rglob("*.py"):
            archive.write(file, file.relative_to(folder.parent))
        archive.write(inside_guest.__file__, "inside_guest.py")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def report(driver: Driver, configure: Configure) -> dict[str, Any]:
    with driver.start(configure(name="unified", vcpus=2)) as vm:
        done = vm.exec(["python3", "-I", "-S", "-c", LOADER], stdin=package(), timeout_s=60)
    assert done.exit_code == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_limits_change_while_the_group_is_in_use(report: dict[str, Any]) -> None:
    found = report["limits"]
    assert found["new"] == [
        str(64 * MIB), "0", str(60 * MIB), str(MIB), "50000 100000", "50", "9",
    ]  # fmt: skip
    assert found["member"]
    assert found["up"] == ["200000 100000", "150000"]
    assert found["down"] == ["20000 100000", "5000"]
    assert "burst of 5000 us" in found["burst"]
    assert found["period"] == ["20000 50000"]
    assert found["lifted"] == ["0", "77", "max", "max 50000"]


def test_controllers_are_handed_on_when_a_limit_asks(report: dict[str, Any]) -> None:
    found = report["limits"]
    assert set(found["before"]) == {"memory", "cpu", "pids"}
    assert found["asked"] == ["0", "0", "default 200"]
    assert found["affinity"] == [0]
    assert found["pages"] == [str(4 * MIB)]
    assert "no huge pages of 3MB" in found["no pages"]
    assert found["io"] == "rbps=max wbps=max riops=max wiops=100"
    assert found["raw"] == ["1", "3"]


def test_out_of_memory_is_seen_and_counted(report: dict[str, Any]) -> None:
    assert report["oom"] == {
        "before": 0, "kills": 1, "status": -9, "counted": 1, "gone": [0, True],
    }  # fmt: skip


def test_a_busy_group_of_our_own_is_not_touched(report: dict[str, Any]) -> None:
    assert report["busy"] == {"as it should": True}


@pytest.mark.parametrize("kind", ["absolute", "relative"])
def test_a_group_at_a_place_of_ones_own(report: dict[str, Any], kind: str) -> None:
    found = report[kind]
    assert found["made"] == ["/sys/fs/cgroup/pod", "/sys/fs/cgroup/pod/one"]
    assert found["limits"] == ["5", "default 50"]
    assert found["frozen"]
    assert "holds processes" in found["used"]
    assert found["left"] == []


def test_nothing_is_left(report: dict[str, Any]) -> None:
    assert report["left"] == []
