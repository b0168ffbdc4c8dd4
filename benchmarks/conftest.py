"""Options of ``pytest benchmarks``; pytest reads them only from the folder on its command line."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a caller choose sandboxes."""
    parser.addoption(
        "--sandbox",
        action="append",
        help="benchmark only this sandbox; may be repeated",
    )
