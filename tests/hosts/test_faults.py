"""A campaign that is ended at seeded moments leaves nothing on an ordinary host either."""

import pytest

from tests.hosts.framework.machine import Machine


@pytest.mark.slow
@pytest.mark.usefixtures("unchanged")
def test_a_fault_loses_nothing_and_leaves_nothing(host: Machine) -> None:
    """SIGKILL with a guest under KVM, SIGTERM, SIGHUP and a full disk."""
    folder = "/root/faults"
    command = f".venv/bin/python -m pytest -q --basetemp={folder} tests/integration/faults"
    try:
        done = host.run(f"SEEDS=4 {command}", timeout=1700)
    finally:
        host.run(f"rm -rf --one-file-system {folder}")
    assert "4 passed" in done.stdout, done.stdout
