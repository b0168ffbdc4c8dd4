"""Interference as a joint act of a campaign: two instances of each sandbox, with equal limits."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from benchmarks.errors import MeasurementError, RunFolderError
from benchmarks.experiments import covert_channels
from benchmarks.experiments.interference import measure
from benchmarks.experiments.interference.model import (
    AGGRESSORS,
    VICTIMS,
    Account,
    Interference,
    Ordeal,
)
from benchmarks.experiments.parts import JointAct, sample
from benchmarks.results import metrics, runfolder
from benchmarks.results.records import Direction, MetricInfo, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from benchmarks.results.records import RunInfo, Sample
    from benchmarks.sandboxes.base import Sandbox

UNCHARGED = "uncharged_s"
SLOWDOWNS = {victim: f"slowdown_{victim}" for victim in VICTIMS}
"""Victim to metric."""

_DOES = {
    "cpu": "adding numbers",
    "memory": "copying memory",
    "disk": "reading from the disk",
    "net": "sending over the loopback link",
}


def acts(info: RunInfo, logs: Path, sandboxes: Mapping[str, Sandbox]) -> Iterator[JointAct]:
    """Return an act for every sandbox."""
    for name in sandboxes:
        yield JointAct(
            sandbox=name,
            part=metrics.INTERFERENCE,
            title=f"interference in {name}",
            act=partial(_try, info, logs, sandboxes[name], name),
        )


def read(logs: Path, sandbox: str) -> Interference | None:
    """Return what was tried with a sandbox; None where nothing was.

    Raises:
        RunFolderError: The file is damaged.
    """
    path = _path(logs, sandbox)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Interference)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise RunFolderError(
            f"{path} is damaged ({error}); start a new run, or restore the file from a copy",
        ) from error


def metric_infos() -> list[MetricInfo]:
    """Return what a run says of interference."""
    slowdowns = [
        (SLOWDOWNS[victim], Unit.RATIO, f"slowdown of {_DOES[victim]} beside an aggressor")
        for victim in VICTIMS
    ]
    title = "CPU time of the host's kernel that no group is charged for, in a round"
    return [
        MetricInfo(
            workload=metrics.INTERFERENCE,
            metric=metric,
            unit=unit,
            direction=Direction.LOWER,
            title=said,
        )
        for metric, unit, said in (*slowdowns, (UNCHARGED, Unit.SECONDS, title))
    ]


def _path(logs: Path, sandbox: str) -> Path:
    return logs / f"interference-{sandbox.replace(':', '.')}.json"


def _try(info: RunInfo, logs: Path, sandbox: Sandbox, name: str) -> list[Sample]:
    try:
        with ExitStack() as stack:
            one, two = (
                covert_channels.end(name, stack.enter_context(sandbox.start())) for _ in range(2)
            )
            found = Interference(
                ordeals=tuple(measure.ordeals(one, two, info.seed)),
                accounts=tuple(measure.accounts(two)),
            )
    except MeasurementError as error:
        found = _failed(name, str(error))
    runfolder.write_atomically(_path(logs, name), msgspec.json.encode(found))
    slowed = [made for one in found.ordeals for made in _of_ordeal(info, one)]
    return slowed + [made for one in found.accounts for made in _of_account(info, one)]


def _failed(name: str, why: str) -> Interference:
    return Interference(
        ordeals=tuple(
            Ordeal(sandbox=name, victim=victim, aggressor=against, error=why)
            for victim in VICTIMS
            for against in AGGRESSORS
        ),
        accounts=tuple(Account(sandbox=name, aggressor=one, error=why) for one in AGGRESSORS),
    )


def _of_ordeal(info: RunInfo, ordeal: Ordeal) -> Iterator[Sample]:
    metric, dimensions = SLOWDOWNS[ordeal.victim], {"aggressor": ordeal.aggressor}
    if ordeal.error is not None:
        yield sample(
            info,
            ordeal.sandbox,
            metrics.INTERFERENCE,
            metric,
            unit=Unit.RATIO,
            error=ordeal.error,
            dimensions=dimensions,
        )
    for place, (quiet, disturbed) in enumerate(ordeal.pairs):
        stopped = None if disturbed > 0 else "the victim did nothing at all beside the aggressor"
        yield sample(
            info,
            ordeal.sandbox,
            metrics.INTERFERENCE,
            metric,
            unit=Unit.RATIO,
            value=quiet / disturbed if disturbed > 0 else None,
            detail=f"{quiet:.4g}/s quiet, {disturbed:.4g}/s beside {ordeal.aggressor}",
            error=stopped,
            dimensions=dimensions,
            block=place,
        )


def _of_account(info: RunInfo, account: Account) -> Iterator[Sample]:
    dimensions = {"aggressor": account.aggressor}
    if account.error is not None:
        yield sample(
            info,
            account.sandbox,
            metrics.INTERFERENCE,
            UNCHARGED,
            unit=Unit.SECONDS,
            error=account.error,
            dimensions=dimensions,
        )
    for place, (charged, value) in enumerate(
        zip(account.charged_s, account.uncharged_s, strict=True)
    ):
        told = "nobody counts what it used" if charged is None else f"{charged:.3f} s were charged"
        yield sample(
            info,
            account.sandbox,
            metrics.INTERFERENCE,
            UNCHARGED,
            unit=Unit.SECONDS,
            value=value,
            detail=f"in a round of {account.round_s:g} s; {told}",
            dimensions=dimensions,
            block=place,
        )
