"""Judge what rests on words: what probes saw, what controls held, which bytes were read.

These are observations, not samples of a distribution: no interval and no p-value belongs to them.
"""

from collections.abc import Iterable

from benchmarks.results import metrics
from benchmarks.results.records import SandboxInfo, Status, Unit
from reports.claims.contrast import Side
from reports.claims.registry import judge, verdict
from reports.claims.spoken import leaks, listing, of, shown
from reports.model.declaration import Claim
from reports.model.records import Evidence, Judgement, Verdict, WordRow
from reports.model.rundata import RunData
from reports.renderers import units

_IDENTITY = "identity of the kernel, as the sandbox reads it"
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
    evidence = [shown(row) for row in (*inside, *guest)] + _processes(data)
    if not inside:
        reason = "no probe of the kernel's identity was read in the container"
        return verdict(claim, Verdict.NOT_TESTABLE, _IDENTITY, reason, *evidence)
    sharing = [row for row in inside if leaks(row)]
    if any(leaks(row) for row in guest):
        reason = "the VM reads the host's kernel identity too, so the probe proves nothing here"
        return verdict(claim, Verdict.INCONCLUSIVE, _IDENTITY, reason, *evidence)
    if sharing:
        reason = f"the container reads the host's own {listing(row.title for row in sharing)}"
        reason += "; the VM reads its own" if guest else ""
        return verdict(claim, Verdict.SUPPORTED, _IDENTITY, reason, *evidence)
    if any("namespaced" in row.words for row in inside):
        reason = "the container reads another kernel's identity than the host's"
        return verdict(claim, Verdict.REFUTED, _IDENTITY, reason, *evidence)
    reason = "the kernel's identity is hidden from the container, which says nothing of whose it is"
    return verdict(claim, Verdict.INCONCLUSIVE, _IDENTITY, reason, *evidence)


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
    rows = of(data, container, metrics.CONTROLS)
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
        *(shown(row) for row in (*opened, *failed)),
    ]
    if opened:
        reason = f"open: {listing(row.title for row in opened)}"
        return verdict(claim, Verdict.REFUTED, _EVERY, reason, *evidence)
    if not held:
        reason = "no control was tried in the container"
        return verdict(claim, Verdict.NOT_TESTABLE, _EVERY, reason, *evidence)
    if failed:
        reason = f"no result for {listing(row.title for row in failed)}"
        return verdict(claim, Verdict.INCONCLUSIVE, _EVERY, reason, *evidence)
    reason = f"none of the {len(held)} ways out that were tried is open"
    reason += f"; {beside} more are not applicable" if beside else ""
    return verdict(claim, Verdict.SUPPORTED, _EVERY, reason, *evidence)


@judge("same-environment")
def same_environment(claim: Claim, data: RunData) -> Judgement:
    """Every sandbox reads the same digest, in every block."""
    rows = [row for row in data.words if row.workload == metrics.CHECKSUM]
    evidence = [shown(row) for row in rows]
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
        reason = f"not every digest could be read in {listing([*failed, *lacking])}"
        return verdict(claim, Verdict.INCONCLUSIVE, _EQUAL, reason, *evidence)
    named = listing(row.sandbox for row in rows)
    reason = f"in {named}, the same file has the same digest in every block"
    return verdict(claim, Verdict.SUPPORTED, _EQUAL, reason, *evidence)


def _spoken(
    data: RunData, sandbox: SandboxInfo | None, workload: str, probes: Iterable[str]
) -> list[WordRow]:
    wanted = tuple(probes)
    rows = of(data, sandbox, workload)
    return [row for row in rows if row.metric in wanted and row.status is Status.OK]


def _processes(data: RunData) -> list[Evidence]:
    """Show how many host processes an idle instance takes."""
    found = []
    for kind in ("container", "vm"):
        sandbox = data.sandbox(kind)
        if sandbox is None:
            continue
        side = Side(sandbox, metrics.MEMORY, "processes", Unit.COUNT, kind)
        if side.values(data):
            count = units.quantity(side.median(data).estimate, Unit.COUNT)
            named = f"host processes of an idle {_NAMES[kind]}"
            found.append(Evidence(observation=named, result=count, decides=False))
    return found
