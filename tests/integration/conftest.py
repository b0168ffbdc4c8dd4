"""What the integration tests share, and how two processes share them out."""

from __future__ import annotations

from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from benchmarks.image import Image, build

FOLDER = Path(__file__).parent
#: They hold the one lock that keeps campaigns apart on a host, so one process runs them all.
CAMPAIGNS = ("test_campaign.py", "test_doctor.py", "test_out_of_memory.py", "test_suites.py")
#: It begins first, so that at the end no process waits long for the other.
LONGEST = "test_workloads.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each file's first test that needs the image time to build it, or to wait for it."""
    items.sort(key=lambda item: item.path.name != LONGEST)
    seen = set()
    for item in items:
        if FOLDER in item.path.parents and "image" in getattr(item, "fixturenames", ()):
            if item.path not in seen:
                item.add_marker(pytest.mark.timeout(600))
            seen.add(item.path)


class WholeFiles(LoadScopeScheduling):
    """Gives each process whole files: a file's tests may share a guest, and have an order."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "campaigns" if path.endswith(CAMPAIGNS) else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> WholeFiles | None:
    """Share the tests out by whole files where that is asked for."""
    return WholeFiles(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def image() -> Image:
    """The image of this host's sources, from the user's own cache; built there if need be."""
    return build()
