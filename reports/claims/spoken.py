"""Read the words of a run: what probes saw and controls held."""

from collections.abc import Iterable

from benchmarks.results.records import SandboxInfo
from reports.model.declaration import declared
from reports.model.records import Evidence, WordRow
from reports.model.rundata import RunData


def of(data: RunData, sandbox: SandboxInfo | None, workload: str) -> list[WordRow]:
    """Return what one sandbox said of a workload's probes; nothing without a sandbox."""
    name = sandbox.name if sandbox else None
    return [row for row in data.words if row.sandbox == name and row.workload == workload]


def leaks(row: WordRow) -> bool:
    """Whether a probe says that the host is in sight."""
    return not declared().rules.leak_words.isdisjoint(row.words)


def shown(row: WordRow) -> Evidence:
    """Show a word with what it rests on."""
    said = ", ".join(row.words) or row.status.value
    return Evidence(
        observation=f"{row.title}, in {row.sandbox}",
        result=f"{said} ({row.detail})" if row.detail else said,
    )


def listing(names: Iterable[str]) -> str:
    """Join names to a list in words, each once."""
    items = list(dict.fromkeys(names))
    return ", ".join(items[:-1]) + f" and {items[-1]}" if len(items) > 1 else "".join(items)
