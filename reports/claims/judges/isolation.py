"""Judge what rests on words: what probes saw, what controls held, which bytes were read.

These are observations, not samples of a distribution: no interval and no p-value belongs to them.
"""

from collections.abc import Iterable

from benchmarks.results import metrics
from benchmarks.results.records import SandboxInfo, Status, Unit
from reports.claims.contrast import Side
from reports.claims.registry import judge, verdict
from reports.model.declaration import Claim, declared
from reports.model.records import Evidence, Judgement, Verdict, WordRow
from reports.model.rundata import RunData
from reports.renderers import units

_IDENTITY = "identity of the kernel, as the sandbox reads it"
_COUNTED = "probes that leak, counted on both sides"
_EVERY = "every control is tried; one that is open refutes"
_EQUAL = "digests compared, not sampled"

_NAMES = {"container": "container", "vm": "VM"}


@judge("shared-kernel")
def shared_kernel(claim: Claim, data: RunData) -> Judgement:
    """The container reads the host's own kernel identity."""
    if trouble := data.missing(["container"]):
        return verdict(claim, Verdict.NOT_TESTABLE, _IDENTITY, trouble)
    inside = _spoken(data, data.sandbox("container"), metrics.LEAKS, claim.probes)
    guest = _spoken(data, data.sandbox("vm"), metrics.LEAKS, claim.probes)
    evidence = [_shown(row) for row in (*inside, *guest)] + _processes(data)
    if not inside:
        reason = "no probe of the kernel's identity was read in the container"
        return verdict(claim, Verdict.NOT_TESTABLE, _IDENTITY, reason, *evidence)
    sharing = [row for row in inside if _leaks(row)]
    if any(_leaks(row) for row in guest):
        reason = "the VM reads the host's kernel identity too, so the probe proves nothing here"
        return verdict(claim, Verdict.INCONCLUSIVE, _IDENTITY, reason, *evidence)
    if sharing:
        reason = f"the container reads the host's own {_list(row.title for row in sharing)}"
        reason += "; the VM reads its own" if guest else ""
        return verdict(claim, Verdict.SUPPORTED, _IDENTITY, reason, *evidence)
    if any("namespaced" in row.words for row in inside):
        reason = "the container reads another kernel's identity than the host's"
        return verdict(claim, Verdict.REFUTED, _IDENTITY, reason, *evidence)
    reason = "the kernel's identity is hidden from the container, which says nothing of whose it is"
    return verdict(claim, Verdict.INCONCLUSIVE, _IDENTITY, reason, *evidence)


@judge("isolation-weaker")
def isolation_weaker(claim: Claim, data: RunData) -> Judgement:
    """Something leaks in the container that does not in the VM, and nothing the other way."""
    if trouble := data.missing(["container", "vm"]):
        return verdict(claim, Verdict.NOT_TESTABLE, _COUNTED, trouble)
    container, vm = data.sandbox("container"), data.sandbox("vm")
    rows = {
        side: {row.metric: row for row in _of(data, sandbox, metrics.LEAKS)}
        for side, sandbox in (("container", container), ("vm", vm))
    }
    tried = rows["container"].keys() | rows["vm"].keys()
    both = {
        probe
        for probe in tried
        if all(probe in side and side[probe].status is Status.OK for side in rows.values())
    }
    if not both:
        reason = "no probe was read in both the container and the VM"
        return verdict(claim, Verdict.NOT_TESTABLE, _COUNTED, reason)
    leaks = {
        side: [probe for probe in found if probe in both and _leaks(found[probe])]
        for side, found in rows.items()
    }
    evidence = [
        Evidence(
            observation=f"probes that leak in the {_NAMES[side]}",
            result=f"{len(found)} of {len(both)}" + (f": {', '.join(found)}" if found else ""),
        )
        for side, found in leaks.items()
    ]
    lost = len(tried) - len(both)
    if lost:
        evidence.append(
            Evidence(
                observation="probes without a result on one side",
                result=f"{lost} of {len(tried)}: {', '.join(sorted(tried - both))}",
                decides=False,
            )
        )
    kind, reason = _weaker(leaks, len(both))
    if lost > declared().rules.most_failed * len(tried):
        kind, reason = Verdict.INCONCLUSIVE, f"{lost} of {len(tried)} probes have no result"
    return verdict(claim, kind, _COUNTED, reason, *evidence)


@judge("isolation-strong-enough")
def isolation_strong_enough(claim: Claim, data: RunData) -> Judgement:
    """Every escape-prevention control holds in the container's default profile."""
    if trouble := data.missing(["container"]):
        return verdict(claim, Verdict.NOT_TESTABLE, _EVERY, trouble)
    container = data.sandbox("container")
    assert container is not None
    if container.profile != "default":
        reason = f"the container ran with the profile {container.profile}, not the default one"
        return verdict(claim, Verdict.NOT_TESTABLE, _EVERY, reason)
    rows = _of(data, container, metrics.CONTROLS)
    held = [row for row in rows if row.status is Status.OK and row.words == ("held",)]
    opened = [row for row in rows if row.status is Status.OK and "open" in row.words]
    failed = [row for row in rows if row.status is not Status.OK]
    beside = len(rows) - len(held) - len(opened) - len(failed)
    evidence = [
        Evidence(
            observation="controls",
            result=f"{len(held)} held, {len(opened)} open, {len(failed)} without a result, "
            f"{beside} not applicable",
        ),
        *(_shown(row) for row in (*opened, *failed)),
    ]
    if opened:
        reason = f"open: {_list(row.title for row in opened)}"
        return verdict(claim, Verdict.REFUTED, _EVERY, reason, *evidence)
    if not held:
        reason = "no control was tried in the container"
        return verdict(claim, Verdict.NOT_TESTABLE, _EVERY, reason, *evidence)
    if failed:
        reason = f"no result for {_list(row.title for row in failed)}"
        return verdict(claim, Verdict.INCONCLUSIVE, _EVERY, reason, *evidence)
    reason = f"all {len(held)} controls held"
    return verdict(claim, Verdict.SUPPORTED, _EVERY, reason, *evidence)


@judge("same-environment")
def same_environment(claim: Claim, data: RunData) -> Judgement:
    """Every sandbox reads the same digest, in every block."""
    rows = [row for row in data.words if row.workload == metrics.CHECKSUM]
    evidence = [_shown(row) for row in rows]
    speaking = {row.sandbox for row in rows}
    lacking = [box.name for box in data.info.sandboxes if box.name not in speaking]
    digests = {word for row in rows for word in row.words}
    if len(speaking) < 2:  # noqa: PLR2004  # one alone is the same as nothing
        reason = "a digest was read in fewer than two sandboxes"
        return verdict(claim, Verdict.NOT_TESTABLE, _EQUAL, reason, *evidence)
    if len(digests) > 1:
        reason = f"{len(digests)} different digests of the same file"
        return verdict(claim, Verdict.REFUTED, _EQUAL, reason, *evidence)
    failed = [row.sandbox for row in rows if row.status is not Status.OK]
    if failed or lacking:
        reason = f"not every digest could be read in {_list([*failed, *lacking])}"
        return verdict(claim, Verdict.INCONCLUSIVE, _EQUAL, reason, *evidence)
    named = _list(row.sandbox for row in rows)
    reason = f"in {named}, the same file has the same digest in every block"
    return verdict(claim, Verdict.SUPPORTED, _EQUAL, reason, *evidence)


def _weaker(leaks: dict[str, list[str]], tried: int) -> tuple[Verdict, str]:
    container, vm = set(leaks["container"]), set(leaks["vm"])
    counts = f"{len(container)} of {tried} probes leak in the container, {len(vm)} in the VM"
    if container == vm:
        return Verdict.EQUIVALENT, f"{counts}: these probes tell them not apart"
    if vm < container:
        return Verdict.SUPPORTED, counts
    if container < vm:
        return Verdict.REFUTED, counts
    return Verdict.INCONCLUSIVE, f"{counts}, and each leaks what the other does not"


def _of(data: RunData, sandbox: SandboxInfo | None, workload: str) -> list[WordRow]:
    name = sandbox.name if sandbox else None
    return [row for row in data.words if row.sandbox == name and row.workload == workload]


def _spoken(
    data: RunData, sandbox: SandboxInfo | None, workload: str, probes: Iterable[str]
) -> list[WordRow]:
    wanted = tuple(probes)
    rows = _of(data, sandbox, workload)
    return [row for row in rows if row.metric in wanted and row.status is Status.OK]


def _leaks(row: WordRow) -> bool:
    return not declared().rules.leak_words.isdisjoint(row.words)


def _shown(row: WordRow) -> Evidence:
    said = ", ".join(row.words) or row.status.value
    return Evidence(
        observation=f"{row.title}, in {row.sandbox}",
        result=f"{said} ({row.detail})" if row.detail else said,
    )


def _processes(data: RunData) -> list[Evidence]:
    """Show how many host processes an idle instance takes."""
    found = []
    for kind in ("container", "vm"):
        sandbox = data.sandbox(kind)
        if sandbox is None:
            continue
        side = Side(sandbox, metrics.MEMORY, "processes", Unit.COUNT, kind)
        if side.values(data):
            shown = units.quantity(side.median(data).estimate, Unit.COUNT)
            named = f"host processes of an idle {_NAMES[kind]}"
            found.append(Evidence(observation=named, result=shown, decides=False))
    return found


def _list(names: Iterable[str]) -> str:
    items = list(dict.fromkeys(names))
    return ", ".join(items[:-1]) + f" and {items[-1]}" if len(items) > 1 else "".join(items)
