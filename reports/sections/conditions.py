"""Show what the host did meanwhile, and what to know before using the numbers."""

from collections.abc import Iterator

from reports.claims.caveats import caveats
from reports.claims.drift import Drift, drifts
from reports.model.content import Block, Content, Heading, Listing, Table, Terms, Text, columns
from reports.model.records import HostState
from reports.model.rundata import RunData
from reports.renderers import units
from reports.sections.base import Section

_HOST_STATES = {
    "steal_ratio": "Stolen by the hypervisor below",
    "psi_cpu_ratio": "Some task waited for a CPU (PSI)",
    "psi_memory_ratio": "Some task waited for memory (PSI)",
    "psi_io_ratio": "Some task waited for I/O (PSI)",
    "busy_cpus": "CPUs busy, all threads of the host",
    "load1": "Load average before a visit",
}
_SHARES = {label for key, label in _HOST_STATES.items() if key.endswith("_ratio")}


def build(data: RunData) -> Content:
    """Show the median and the largest of each condition, and the caveats."""
    return Content(blocks=tuple(_blocks(data)))


def _blocks(data: RunData) -> Iterator[Block]:
    states = data.host_states
    told = {label: states[key] for key, label in _HOST_STATES.items() if key in states}
    if told:
        yield Heading("What the host did meanwhile")
        yield Terms(tuple((label, _spread(label, state)) for label, state in told.items()))
    changed = data.once(drifts)
    if changed:
        yield Heading("What changed while it ran")
        yield Table(
            "Levels of a figure, by block: a change, or two modes that alternate",
            columns("Sandbox", "What", "From block", "Before, or lower#", "After, or higher#"),
            tuple(map(_levels, changed)),
        )
    found = data.once(caveats)
    if found:
        yield Heading("Caveats")
        yield Listing(found)


def _levels(one: Drift) -> tuple[Text, ...]:
    before, after = (units.quantity(level, one.unit) for level in (one.before, one.after))
    block = "two modes" if one.block is None else str(one.block)
    return one.sandbox, one.workload, block, before, after


def _spread(label: str, state: HostState) -> str:
    shown = units.percent if label in _SHARES else units.digits
    return f"{shown(state.median)} in the median visit, {shown(state.most)} at most"


SECTION = Section(name="conditions", title="Conditions and caveats", place=200, build=build)
