"""Options of ``pytest benchmarks``; pytest reads them only from the folder that is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a caller choose sandboxes."""
    parser.addoption(
        "--sandbox",
        action="append",
        help="benchmark only this sandbox; may be repeated",
    )
