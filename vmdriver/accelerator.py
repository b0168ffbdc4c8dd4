"""Measure whether an accelerator accelerates, instead of believing that it is there.

``/dev/kvm`` can exist, and libvirt list it, where KVM interprets the guest's kernel instruction by
instruction: nested hosts do that. A guest of a few instructions, given to QEMU as its firmware,
counts a loop; the same loop is counted on the host. How long either may take depends on how fast
the host is (`vmdriver.microguest.run`), and nothing is called unusable or slow on one look.
"""

import os
import platform
import shutil
from dataclasses import dataclass
from typing import Literal

from vmdriver.architecture import of, unsupported
from vmdriver.host import cpus, kvm
from vmdriver.microguest.programs import MICROGUESTS
from vmdriver.microguest.run import Native, Run, count_natively, run

Verdict = Literal["accelerates", "emulates", "unusable"]

LEAST_RATIO = 0.5
"""An accelerated guest runs a loop at the host's speed; translation reaches a tenth or so."""

_DOUBTFUL_RATIO = 0.15
"""From here to `LEAST_RATIO` a disturbed look at an accelerator is likelier than an emulation."""

_LOOKS = 3
_PATIENCE = (1, 4)
"""How many times as long a silent guest is waited for, by look."""

_UNIT_S = 0.03
"""Taken for `Native.start_s` where the host's own loop could not be counted."""


@dataclass(frozen=True)
class Accelerator:
    """What one accelerator is worth here.

    Attributes:
        name: ``kvm`` or ``tcg``.
        available: whether QEMU ran a guest with it at all.
        verdict: ``accelerates`` (at least half the host's speed; never translation), ``emulates``,
            or ``unusable``.
        loops_per_s: the guest's loops in a second of QEMU's CPU time, so that other work on the
            host does not count; None when it completed none.
        native_loops_per_s: the host's; None when they could not be measured.
        ratio: the former over the latter.
        reason: one sentence with the figures, or with what QEMU said.
        cpu_features_off: CPU features that must be disabled for ``-cpu host`` to start.
        remedy: what to do about it, in words; None where there is nothing to do, or no help.
    """

    name: str
    available: bool
    verdict: Verdict
    loops_per_s: float | None
    native_loops_per_s: float | None
    ratio: float | None
    reason: str
    cpu_features_off: tuple[str, ...] = ()
    remedy: str | None = None

    @property
    def sentence(self) -> str:
        """Reason and remedy."""
        return f"{self.reason}; {self.remedy}" if self.remedy else self.reason


def audit(
    accelerators: tuple[str, ...] = ("kvm", "tcg"),
    *,
    qemu: str | None = None,
    architecture: str | None = None,
) -> list[Accelerator]:
    """Measure each accelerator, about half a second each on a host that is not emulated.

    Nothing is raised for an accelerator that does not work: that is its verdict. On a processor of
    several kinds of CPU the guest and the host's own loop run on the same, the fastest.

    Args:
        accelerators: their names.
        qemu: QEMU's program; None is the architecture's own.
        architecture: of the guest, a name in `vmdriver.architecture.ARCHITECTURES`; None is the
            host's. Another one's guest is laid beside the host's own loop all the same.
    """
    reason = unsupported() or (architecture and unsupported(architecture))
    if reason:
        return [_unusable(name, None, kvm.Obstacle(reason, None)) for name in accelerators]
    architecture = architecture or platform.machine()
    look = _Look(architecture, qemu or of(architecture).qemu, _alike())
    return [look.at(name) for name in accelerators]


class _Look:
    """Looks at accelerators, with the host's own loop counted once before."""

    def __init__(self, architecture: str, qemu: str, alike: frozenset[int]) -> None:
        self._architecture = architecture
        self._qemu = qemu
        self._cpus = alike
        self._native = count_natively(alike)

    def at(self, name: str) -> Accelerator:
        """The verdict on one."""
        obstacle = self._obstacle(name)
        if obstacle is not None:
            return _unusable(name, self._native, obstacle)
        found = self._once(name)
        for _ in range(_LOOKS - 1):
            # On one look a disturbance is not told from an emulation.
            if name == "tcg" or not found.ratio or not _doubtful(found.ratio):
                break
            self._native = count_natively(self._cpus) or self._native
            found = max(found, self._once(name), key=lambda one: one.ratio or 0.0)
        return found

    def _obstacle(self, name: str) -> kvm.Obstacle | None:
        """Why it need not be tried."""
        host = platform.machine()
        if name == "kvm" and self._architecture != host:
            reason = f"KVM runs guests of the host's own architecture, {host}, only"
            return kvm.Obstacle(reason, None)
        if shutil.which(self._qemu) is None:
            remedy = of(self._architecture).qemu_remedy
            return kvm.Obstacle(f"{self._qemu} cannot be run", remedy)
        return kvm.obstacle() if name == "kvm" else None

    def _once(self, name: str) -> Accelerator:
        fixups: tuple[str, ...] = ()
        ran = Run(None, spoke=False)
        try:
            for fixups in MICROGUESTS[self._architecture].cpu_fixups if name == "kvm" else ((),):
                ran = self._patiently(name, fixups)
                if ran.spoke:
                    break
        except OSError as error:
            reason = f"{error.filename or self._qemu} cannot be run: {error.strerror}"
            return _unusable(name, self._native, kvm.Obstacle(reason, None))
        if not ran.spoke:
            return _unusable(name, self._native, kvm.Obstacle(ran.words or ran.silence, None))
        return _judged(name, ran, self._native, fixups)

    def _patiently(self, name: str, fixups: tuple[str, ...]) -> Run:
        unit_s = self._native.start_s if self._native else _UNIT_S
        for patience in _PATIENCE:
            ran = run(
                *(name, self._architecture, self._qemu),
                unit_s=unit_s * patience,
                features_off=fixups,
                cpus=self._cpus,
            )
            if not ran.silence:  # it spoke, or QEMU ended and said why
                break
        return ran


def _judged(name: str, ran: Run, native: Native | None, fixups: tuple[str, ...]) -> Accelerator:
    if ran.loops_per_s is None or native is None:
        missing = "guest's" if ran.loops_per_s is None else "host's"
        own = native.loops_per_s if native else None
        reason = f"the {missing} speed could not be measured"
        return Accelerator(name, True, "emulates", ran.loops_per_s, own, None, reason, fixups)  # noqa: FBT003  # the record's own order
    ratio = ran.loops_per_s / native.loops_per_s
    fast = name != "tcg" and ratio >= LEAST_RATIO
    reason = (
        f"a guest's loop turns {ran.loops_per_s / 1e6:,.1f} million times in a second of CPU time, "
        f"the host's {native.loops_per_s / 1e6:,.0f}: {ratio:.2g} of its speed"
    )
    kind = kvm.kind() if name == "kvm" else None
    return Accelerator(
        name,
        available=True,
        verdict="accelerates" if fast else "emulates",
        loops_per_s=ran.loops_per_s,
        native_loops_per_s=native.loops_per_s,
        ratio=ratio,
        reason=f"{reason}; {kind.reason}" if kind else reason,
        cpu_features_off=fixups,
        remedy=kind.remedy if kind and not fast else None,
    )


def _doubtful(ratio: float) -> bool:
    return _DOUBTFUL_RATIO < ratio < LEAST_RATIO


def _alike() -> frozenset[int]:
    """The fastest CPUs that this process may use; empty where all are of one kind."""
    by_kind = cpus.kinds(frozenset(os.sched_getaffinity(0)))
    return by_kind[0] if len(by_kind) > 1 else frozenset()


def _unusable(name: str, native: Native | None, why: kvm.Obstacle) -> Accelerator:
    own = native.loops_per_s if native else None
    return Accelerator(name, False, "unusable", None, own, None, why.reason, remedy=why.remedy)  # noqa: FBT003  # likewise
