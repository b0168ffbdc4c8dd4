"""Runs the agent on both sides and turns readings into findings."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.experiments.probes import (
    agent,
    files,
    machine,
    machine_agent,
    network,
    objects,
    restrictions,
)
from benchmarks.experiments.probes.controls import (
    Control,
    ControlFinding,
    Outcome,
    controls,
    judge_attempt,
)
from benchmarks.experiments.probes.markers import planted
from benchmarks.experiments.probes.model import (
    Case,
    Examination,
    Finding,
    Probe,
    Reading,
    UnreadableError,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PROBES: tuple[Probe, ...] = (
    *objects.PROBES,
    *network.PROBES,
    *files.PROBES,
    *machine.PROBES,
)
"""Every probe, in the order of reports; what takes the agent long is read last."""

INTERPRETER = "/usr/bin/python3"

_COMMON = (
    ("uname", "uname"),
    ("/proc/sys/kernel/random/boot_id", "file", "/proc/sys/kernel/random/boot_id"),
    ("/proc/self/ns/pid", "link", "/proc/self/ns/pid"),
)
_FIRST_PID_NAMESPACE = "pid:[4026531836]"
"""PROC_PID_INIT_INO (include/linux/proc_ns.h): the same number on every kernel."""


class UnreadableAgentError(UnreadableError):
    """What the agent printed is not its document."""


def script(markers: Mapping[str, str] | None = None) -> list[str]:
    """Return the command that runs the agent in a sandbox.

    Args:
        markers: What the host has planted.

    Returns:
        Arguments for the sandbox's own Python; the agent's source is one of them, so that it
        needs neither a file nor standard input. It prints one line of JSON.
    """
    wants = _wants(writing=True)
    attempts = [(c.id, c.how, *c.arguments) for c in controls(markers)]
    # That sentence has to be the first of a program, and the agent's begins with it already.
    more = inspect.getsource(machine_agent).replace("from __future__ import annotations\n", "", 1)
    source = f"{inspect.getsource(agent)}\n{more}\nREADERS |= MORE_READERS\n"
    call = f"main({wants!r}, {attempts!r})\n"
    return [INTERPRETER, "-I", "-S", "-c", source + call]


def empty() -> list[str]:
    """Return the command of an agent that reads and tries nothing: what probing itself costs."""
    return [INTERPRETER, "-I", "-S", "-c", f"{inspect.getsource(agent)}\nmain([], [])\n"]


def read_host() -> Reading:
    """Read what the probes want on the host; nothing is opened for writing, nothing attempted."""
    values = agent.collect(_wants(writing=False), agent.READERS | machine_agent.MORE_READERS)
    return Reading(format=agent.FORMAT, values=values)


def parse(stdout: bytes | str) -> Reading:
    """Read the agent's document; what was printed around it is ignored.

    Raises:
        UnreadableAgentError: There is no such document.
    """
    text = stdout.decode(errors="replace") if isinstance(stdout, bytes) else stdout
    lines = [line for line in text.splitlines() if line.startswith('{"format"')]
    if not lines:
        raise UnreadableAgentError("the agent in the sandbox printed no document")
    try:
        return msgspec.json.decode(lines[-1], type=Reading)
    except msgspec.MsgspecError as error:
        raise UnreadableAgentError(f"the agent's document cannot be read: {error}") from error


def examine(run: Callable[[list[str]], bytes | str]) -> Examination:
    """Read host, sandbox, host, with marks planted meanwhile.

    Args:
        run: Runs a command in the sandbox and returns its standard output. An
            ``UnreadableAgentError`` from it, like an output that is no document, becomes the
            examination's error; whatever else it raises passes through.
    """
    sandbox, error = None, None
    with planted() as markers:
        before = read_host()
        try:
            sandbox = parse(run(script(markers)))
        except UnreadableAgentError as failed:
            error = str(failed)
        after = read_host()
    return Examination(before=before, sandbox=sandbox, after=after, markers=markers, error=error)


def runs_own_kernel(host: Reading, sandbox: Reading) -> bool:
    """Tell whether the sandbox runs on another kernel than the host.

    Another release or build is another kernel. With equal ones the boot identifier decides, but
    only in the kernel's first pid namespace: a container may have been given a made-up one.
    """
    one, two = (side.values.get("uname", {}).get("text") for side in (host, sandbox))
    if one is None or two is None or one != two:
        return two is not None
    boot = "/proc/sys/kernel/random/boot_id"
    first = sandbox.values.get("/proc/self/ns/pid", {}).get("text") == _FIRST_PID_NAMESPACE
    boots = [side.values.get(boot, {}).get("text") for side in (host, sandbox)]
    return first and None not in boots and boots[0] != boots[1]


def shares_kernel(run: Callable[[list[str]], bytes | str]) -> bool:
    """Ask nothing but whether a sandbox runs on the host's kernel.

    Args:
        run: Runs a command in the sandbox and returns its standard output.

    Raises:
        UnreadableAgentError: The agent could not be understood.
    """
    source = f"{inspect.getsource(agent)}\nmain({list(_COMMON)!r}, [])\n"
    sandbox = parse(run([INTERPRETER, "-I", "-S", "-c", source]))
    return not runs_own_kernel(Reading(format=1, values=agent.collect(list(_COMMON))), sandbox)


def titles() -> list[tuple[str, str, str]]:
    """List every probe and control as (workload, identifier, title), in the order of reports."""
    return [
        *(("leaks", probe.id, probe.title) for probe in PROBES),
        *(("controls", control.id, control.id.replace("-", " ")) for control in controls()),
    ]


def judge(
    examination: Examination,
    third: Reading | None = None,
    probes: Sequence[Probe] = PROBES,
) -> list[Finding]:
    """Decide every probe.

    Args:
        examination: The readings.
        third: Reading of an unrelated kernel, usually the VM's; None where there is none, or
            where the sandbox examined is itself that VM.
        probes: Probes to decide.
    """
    sandbox = examination.sandbox
    if sandbox is None:
        why = examination.error or "the sandbox was not read"
        return [Finding(probe=p.id, verdict=None, evidence="", error=why) for p in probes]
    own = runs_own_kernel(examination.before, sandbox)
    return [
        _decide(
            Case(
                probe=probe,
                before=examination.before.values,
                sandbox=sandbox.values,
                after=examination.after.values,
                third=None if own or third is None else third.values,
                markers=examination.markers,
                own_kernel=own,
            )
        )
        for probe in probes
    ]


def judge_controls(examination: Examination) -> list[ControlFinding]:
    """Say for every control whether it held.

    In a sandbox with a kernel of its own an open control concerns that kernel only; the host was
    not reached, so it is not applicable, and the evidence says what happened inside.
    """
    sandbox = examination.sandbox
    tried = controls(examination.markers)
    if sandbox is None:
        why = examination.error or "the sandbox was not read"
        return [ControlFinding(control=c.id, outcome=None, evidence="", error=why) for c in tried]
    own = runs_own_kernel(examination.before, sandbox)
    return [_control(c, sandbox, own=own) for c in tried]


def _control(control: Control, sandbox: Reading, *, own: bool) -> ControlFinding:
    found = judge_attempt(control, sandbox.attempts.get(control.id))
    if found.outcome is Outcome.HELD:
        why = restrictions.reasons(control.id, sandbox.values)
        return msgspec.structs.replace(found, evidence=found.evidence + why)
    if own and found.outcome is Outcome.OPEN:
        evidence = f"{found.evidence}; open towards the guest's own kernel, the host is not reached"
        return msgspec.structs.replace(found, outcome=Outcome.NOT_APPLICABLE, evidence=evidence)
    return found


def _decide(case: Case) -> Finding:
    try:
        found = case.probe.decide(case)
    except UnreadableError as error:
        why = f"{error}{restrictions.reasons(case.probe.id, case.before)}"
        return Finding(probe=case.probe.id, verdict=None, evidence="", error=why)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        # A reading of a shape nobody expected: an error of the probe, and never a safe verdict.
        why = f"the readings make no sense ({type(error).__name__}: {error})"
        return Finding(probe=case.probe.id, verdict=None, evidence="", error=why)
    hidden = found.verdict in {Verdict.DENIED, Verdict.MASKED} or case.probe.id == "processes"
    why = restrictions.reasons(case.probe.id, case.sandbox) if hidden else ""
    return Finding(probe=case.probe.id, verdict=found.verdict, evidence=found.evidence + why)


def _wants(*, writing: bool) -> list[tuple[Any, ...]]:
    """Gather the probes' wants, each once; the host is never opened for writing."""
    wants = dict.fromkeys(w for p in PROBES for w in p.wants if writing or w[1] != "open")
    return list(dict.fromkeys((*_COMMON, *wants, *restrictions.WANTS)))
