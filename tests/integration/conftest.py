"""What the integration tests share, and how two processes share them out."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadScopeScheduling

from benchmarks.image import Image, build

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what is slow, and give each file's first test time to build the image."""
    # at the end no process then waits long for the other
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    seen = set()
    for item in items:
        if FOLDER in item.path.parents and "image" in getattr(item, "fixturenames", ()):
            if item.path not in seen:
                item.add_marker(pytest.mark.timeout(600))
            seen.add(item.path)


class WholeFiles(LoadScopeScheduling):
    """Gives each process whole files: a file's tests may share a guest, and have an order.

    Files with the mark ``campaigns`` go together: they hold the one lock that keeps campaigns
    apart on a host, so one process runs them all. The process that shares the tests out collects
    none and so sees no marks; it looks for them in the files.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "campaigns" if _runs_campaigns(ROOT / path) else path


@cache
def _runs_campaigns(file: Path) -> bool:
    return "pytest.mark.campaigns" in file.read_text(encoding="utf-8")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> WholeFiles | None:
    """Share the tests out by whole files where that is asked for."""
    return WholeFiles(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.fixture
def own_state() -> Iterator[Path]:
    """A state folder in which nobody else works, with a path short enough for libvirt's sockets."""
    folder = Path(tempfile.mkdtemp(prefix="ts-", dir="/run"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def image() -> Image:
    """The image of this host's sources, from the user's own cache; built there if need be."""
    return build()
