"""Show how it was measured: the host, what each sandbox was given, the image, the rules."""

from collections.abc import Iterator
from typing import Any

from benchmarks.results.records import Unit
from reports.model.content import (
    MISSING,
    Block,
    Cell,
    Content,
    Heading,
    Table,
    Terms,
    Text,
    Tone,
    columns,
    said,
)  # fmt: skip
from reports.model.rundata import RunData
from reports.renderers import units
from reports.sections.base import Section

_HOST = {
    "hostname": "Name",
    "product": "Machine",
    "hypervisor": "Hypervisor below",
    "cpu_model": "CPU",
    "cpus": "CPUs",
    "smt": "SMT",
    "governor": "Frequency governor",
    "turbo": "Turbo",
    "memory_bytes": "Memory",
    "distribution": "Distribution",
    "kernel_release": "Kernel",
    "cgroup_mode": "cgroups",
    "clocksource": "Clock source",
    "thp": "Transparent huge pages",
    "ksm": "Same-page merging (KSM)",
    "lsm": "Security modules",
    "loadavg": "Load when the run began",
}
_HARNESS = {
    "clock_resolution_s": "Smallest step of the clock",
    "null_command_s": "A command that does nothing, natively",
    "empty_probe_s": "The probes' agent with nothing to read, natively",
    "memory_read_s": "Reading the memory ladder once",
    "cpu_read_s": "Reading the CPU account once",
    "idle_read_s": "Reading the accounts of all threads once",
    "host_watch_s": "Looking at the host's conditions once",
}
_METHOD = (
    "A block visits every sandbox once, in an order drawn from seed {seed} and balanced for place "
    "and predecessor; a visit is one start, all workloads on that instance, one stop. The block is "
    "the unit of pairing, and what is repeated within it counts once, with its median. Medians "
    "carry an interval from order statistics, interpolated to 95 %. A ratio is the middle of the "
    "blocks' own ratios (Hodges and Lehmann), with the exact interval of the signed rank, so what "
    "disturbs a whole block cancels; it need not equal the ratio of the two medians. p-values are "
    "exact signed-rank tests over blocks, so at least six blocks are needed for any of them. Where "
    "a test finds that successive values resemble each other both are widened; an interval that is "
    "marked unsure may be too narrow all the same. "
    "Sampling stops at the precision or the budget asked for, never on significance."
)


def build(data: RunData) -> Content:
    """Show what a reader needs to repeat the run."""
    return Content(blocks=tuple(_blocks(data)))


def _blocks(data: RunData) -> Iterator[Block]:
    info = data.info
    told = {**(info.host.get("state") or {}), **(info.host.get("identity") or {})}
    known = {key: told[key] for key in _HOST if told.get(key) not in (None, "")}
    yield Heading("Host")
    yield Terms(tuple((_HOST[key], _plain(key, value)) for key, value in known.items()))
    yield Heading("Sandboxes and their equal resources")
    yield said(_resources(data))
    yield _sandboxes(data)
    if info.image:
        yield Heading("Image")
        yield said(*_image(info.image))
    yield Heading("Method")
    yield said(_method(data))
    if info.harness:
        yield Heading("What the harness itself adds")
        yield Terms(
            tuple(
                (_HARNESS.get(key, key), units.quantity(value, Unit.SECONDS))
                for key, value in info.harness.items()
            )
        )
    yield Heading("Tools")
    tools = ((name, version or "could not be read") for name, version in info.tools.items())
    yield Terms((("tare", info.tare_version), *tools))


def _resources(data: RunData) -> str:
    given = data.info.resources
    on = f" (host CPU {', '.join(map(str, given.cpuset))})" if given.cpuset else ""
    cpus = f"{given.cpus} {'CPU' if given.cpus == 1 else 'CPUs'}{on}"
    return f"Each was given {cpus} and {units.quantity(given.memory_bytes, Unit.BYTES)} of memory."


def _sandboxes(data: RunData) -> Table:
    enforced = data.info.resources.enforced
    rows: list[tuple[Text, ...]] = [
        (
            box.name,
            box.kind,
            box.profile,
            (box.accelerator or "none, the host's") + ("" if box.admissible_cpu else " (emulated)"),
            enforced.get(box.name) or MISSING,
        )
        for box in data.info.sandboxes
    ]
    rows += [
        (name, MISSING, MISSING, MISSING, f"not measured: {reason}")
        for name, reason in data.info.absent.items()
    ]
    heads = columns("Sandbox", "Kind", "Profile", "CPU of its own", "How it is limited~")
    return Table("Sandboxes", heads, tuple(rows), titled=False)


def _image(image: dict[str, Any]) -> Iterator[Text]:
    yield "The same bytes for all: "
    if image.get("name"):
        yield f"{image['name']}, "
    yield Cell(str(image.get("digest")), tone=Tone.CODE)
    if image.get("size_bytes"):
        yield f", {units.quantity(image['size_bytes'], Unit.BYTES)}"
    if image.get("packages"):
        yield f", {len(image['packages'])} packages"
    kernel = image.get("kernel_release")
    yield f". Guest kernel {kernel}." if kernel else "."


def _method(data: RunData) -> str:
    told = _METHOD.format(seed=data.info.campaign.get("seed", MISSING))
    seconds = sum(visit.seconds for visit in data.run.visits)
    if seconds:
        told += f" All visits together took {units.quantity(seconds, Unit.SECONDS)}."
    if data.dead_share is not None:
        told += (
            f" Of the campaign's time, {units.percent(data.dead_share)} went neither into "
            "preparing nor into measuring (watching the host, judging, writing the journal)."
        )
    return told


def _plain(key: str, value: Any) -> str:
    if key.endswith("_bytes") and isinstance(value, int | float):
        return units.quantity(float(value), Unit.BYTES)
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict):
        return ", ".join(f"{inner}: {_plain(inner, one)}" for inner, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(key, one) for one in value)
    return str(value)


SECTION = Section(name="method", title="How it was measured", place=190, build=build)
