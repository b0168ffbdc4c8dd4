"""The table at the end of a long run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.faults import ROW

if TYPE_CHECKING:
    import pytest
    from _pytest.terminal import TerminalReporter

_LONG = 10


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Show a line for each seed."""
    reports: list[pytest.TestReport] = [
        report
        for word in ("passed", "failed")
        for report in terminalreporter.stats.get(word, [])
        if report.when == "call"
    ]
    rows = sorted(
        value for report in reports for name, value in report.user_properties if name == ROW
    )
    if len(rows) < _LONG:
        return
    terminalreporter.write_line(
        f"{'seed':>4}  {'fault':12} {'sandboxes':22} {'moment':18} differences"
    )
    for seed, fault, sandboxes, moment, differences in rows:
        terminalreporter.write_line(
            f"{seed:4}  {fault:12} {sandboxes:22} {moment:18} {differences:11}"
        )
