"""Leak probes and escape-prevention controls: what a sandbox sees of its host, and may do to it.

``examine`` reads host, sandbox, host; ``judge`` and ``judge_controls`` decide afterwards, so that
the VM's reading can serve as the unrelated kernel for the others.
"""

from benchmarks.experiments.probes.controls import Control, ControlFinding, Outcome, controls
from benchmarks.experiments.probes.engine import (
    PROBES,
    UnreadableAgentError,
    examine,
    judge,
    judge_controls,
    parse,
    read_host,
    runs_own_kernel,
    script,
    shares_kernel,
    titles,
)
from benchmarks.experiments.probes.experiment import Probes
from benchmarks.experiments.probes.markers import planted
from benchmarks.experiments.probes.model import (
    KEPT,
    Examination,
    Finding,
    Kind,
    Probe,
    Reading,
    Verdict,
)

__all__ = [
    "KEPT",
    "PROBES",
    "Control",
    "ControlFinding",
    "Examination",
    "Finding",
    "Kind",
    "Outcome",
    "Probe",
    "Probes",
    "Reading",
    "UnreadableAgentError",
    "Verdict",
    "controls",
    "examine",
    "judge",
    "judge_controls",
    "parse",
    "planted",
    "read_host",
    "runs_own_kernel",
    "script",
    "shares_kernel",
    "titles",
]
