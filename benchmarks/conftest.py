"""Options of ``pytest benchmarks``; pytest reads them only from the folder on its command line."""

import pytest


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Let a caller choose sandboxes."""
    parser.addoption(
        "--sandbox",
        action="append",
        help="benchmark only this sandbox; may be repeated",
    )
    if not pluginmanager.hasplugin("timeout"):
        # the project's settings name what only the checks install: nothing limits a test without it
        parser.addini("timeout", "seconds that a test may take, by pytest-timeout")
        parser.addini("timeout_method", "how pytest-timeout ends a test")


def pytest_configure(config: pytest.Config) -> None:
    """Know the mark of pytest-timeout, also where that is not installed."""
    config.addinivalue_line("markers", "timeout(seconds): how long a test may take")
