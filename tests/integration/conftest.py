"""What the integration tests share."""

from pathlib import Path

import pytest

from benchmarks.image import Image, build

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the first test that needs the image time to build it."""
    for item in items:
        if FOLDER in item.path.parents and "image" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(600))
            return


@pytest.fixture(scope="session")
def image() -> Image:
    """The image of this host's sources, from the user's own cache; built there if need be."""
    return build()
