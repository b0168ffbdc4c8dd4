"""Make a run one value a series: the median of its blocks, by native where native was measured.

What fails is ranked worst, as in a comparison of two runs; where more failed than a claim may rest
on, the run has no value there and says that it failed.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.host import host_class
from benchmarks.results.records import Status, Unit
from benchmarks.stats import estimators
from benchmarks.stats.dependence import NONE
from benchmarks.stats.order_statistics import order_interval
from reports.comparison.compare import OF_THE_HOST, headline
from reports.comparison.grounds import FREE
from reports.history.kinds import METHOD, Facts, Kind, RunValues
from reports.model.counted import NATIVE
from reports.model.declaration import declared
from reports.model.frame import measured, tidy

if TYPE_CHECKING:
    from benchmarks.results.records import RunInfo, SandboxInfo
    from benchmarks.results.runfolder import Run

_KEY = ["sandbox", "workload", "metric", "parameters"]
_BAD = [status.value for status in Status if status.failure]
_FAR = 10.0
_DIGITS = 8
_COMMIT = re.compile("[0-9a-fA-F]{7,64}")
"""Other texts would stand in commands that people copy."""

_STATE = ("distribution", "ksm", "lockdown", "python")
"""What of a host's state is a setting, and not a reading that drifts."""


def values(run: Run) -> RunValues:
    """Return the values of a run.

    Raises:
        EmptyRunError: It holds no finished measurement.
    """
    info = run.info
    table = tidy(run)
    numeric = table[table["unit"] != Unit.WORD.value]
    blocks, tried = _blocks(numeric)
    by_native = len(info.sandboxes) > 1 and NATIVE in {box.name for box in info.sandboxes}
    told = {(one.workload, one.metric): one for one in info.metrics}
    boxes = {box.name: box for box in info.sandboxes}
    most = declared().rules.most_failed
    kinds, rows, failed = [], [], []
    for key, (good, bad) in tried.items():
        sandbox, workload, metric, parameters = key
        of_metric = told.get((workload, metric))
        box = boxes.get(sandbox)
        if of_metric is None or box is None or not good + bad:
            continue
        divided = by_native and of_metric.unit in OF_THE_HOST and sandbox != NATIVE
        found = blocks.get(key)
        lost = bad > most * (good + bad)
        if divided and not lost:
            found = _over(found, blocks.get((NATIVE, *key[1:])))
            if found is None:
                continue
        judged = metric == headline(info.metrics, workload, box)
        of_host = by_native and sandbox == NATIVE and of_metric.unit in OF_THE_HOST
        kinds.append(
            Kind(
                sandbox=sandbox,
                workload=workload,
                metric=metric,
                parameters=parameters,
                method=_method(info, box, workload),
                title=of_metric.title,
                unit=of_metric.unit,
                direction=of_metric.direction,
                by_native=divided,
                role="context" if not judged else "host" if of_host else "judged",
            )
        )
        none = (None, None, None)
        rows.append(none if lost or found is None else _interval(found))
        failed.append(lost)
    return RunValues(
        run=info.run,
        created_at=info.created_at,
        commit=info.commit if info.commit and _COMMIT.fullmatch(info.commit) else None,
        facts=_facts(info),
        kinds=kinds,
        values=np.array(rows, dtype=np.float64).reshape(-1, 3),
        failed=failed,
    )


type _Key = tuple[str, str, str, str]


def _blocks(
    table: pd.DataFrame,
) -> tuple[dict[_Key, pd.Series[float]], dict[_Key, tuple[int, int]]]:
    """Return each key's values by block, failures ranked worst, and how many went well and ill."""
    bad = table["status"].isin(_BAD).to_numpy()
    good = ((table["status"] == Status.OK.value) & table["value"].notna()).to_numpy()
    groups = table.groupby(_KEY, sort=False, observed=True)
    counts = (
        pd.DataFrame({"good": good, "bad": bad}, index=table.index)
        .groupby(groups.ngroup().to_numpy())
        .sum()
    )
    if bad.any():
        higher = table["unit"].isin([Unit.PER_SECOND.value, Unit.BITS_PER_SECOND.value])
        known = table["value"].where(good)
        numbers = known.groupby(groups.ngroup())
        worst = np.where(higher, numbers.transform("min") / _FAR, numbers.transform("max") * _FAR)
        table = table.assign(
            value=np.where(bad, worst, table["value"]),
            status=table["status"].where(~bad, Status.OK.value),
        )
    once = measured(table).drop_duplicates([*_KEY, "block"], keep="last")
    named: dict[_Key, pd.Series[float]] = {
        _named(key): rows.set_index("block")["value"].sort_index()
        for key, rows in once.groupby(_KEY, sort=False, observed=True)
    }
    order = [_named(key) for key, _ in groups]
    return named, {
        key: (int(counts["good"].iloc[place]), int(counts["bad"].iloc[place]))
        for place, key in enumerate(order)
    }


def _named(key: Any) -> _Key:
    sandbox, workload, metric, parameters = map(str, key)
    return sandbox, workload, metric, parameters


def _over(
    above: pd.Series[float] | None, below: pd.Series[float] | None
) -> pd.Series[float] | None:
    """Return values over native's by block; None where they have no block in common."""
    if above is None or below is None:
        return None
    ratios = (above / below[below > 0]).dropna()
    return ratios if len(ratios) else None


def _interval(found: pd.Series[float]) -> tuple[float | None, float | None, float | None]:
    return order_interval(
        np.asarray(found, dtype=np.float64), estimators.CONFIDENCE, estimators.fewest(), NONE
    )


def _method(info: RunInfo, box: SandboxInfo, workload: str) -> str:
    """Return a digest of what two runs must share to be values of one series."""
    campaign = {key: said for key, said in info.campaign.items() if key not in FREE}
    facts = {
        "version": METHOD,
        "campaign": campaign,
        "sandboxes": sorted({one.name for one in info.sandboxes} | set(info.absent)),
        "workloads": sorted(info.campaign.get("workloads", ())),
        "cpus": info.resources.cpus,
        "cpuset": info.resources.cpuset,
        "memory": info.resources.memory_bytes,
        "accelerator": box.accelerator,
        "definition": info.definitions.get(workload),
    }
    return _digest(facts)


def _digest(facts: dict[str, Any]) -> str:
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _facts(info: RunInfo) -> Facts:
    identity = info.host.get("identity") or {}
    state = info.host.get("state") or {}
    image = info.image or {}
    epoch = {
        "kernel": _said(identity.get("kernel_release")),
        "kernel build": _said(identity.get("kernel_version")),
        "image": _said(image.get("digest")),
        "guest kernel": _said(image.get("kernel_digest") or image.get("kernel_release")),
    }
    settings = dict(epoch)
    left_out = {"hostname", "kernel_release", "kernel_version", "memory_bytes"}
    for key, value in identity.items():
        if isinstance(value, dict):
            settings |= {f"{_words(key)} {name}": _said(one) for name, one in value.items()}
        elif key not in left_out:
            settings[_words(key)] = _said(value)
    settings |= {_words(key): _said(state[key]) for key in _STATE if key in state}
    settings |= {tool: _said(version) for tool, version in info.tools.items()}
    settings["tare"] = info.tare_version
    kept = {key: said for key, said in identity.items() if key in host_class.MUST}
    return Facts(kept, settings, epoch)


def _words(key: str) -> str:
    return key.replace("_", " ")


def _said(value: Any) -> str:
    return "unknown" if value is None else str(value)
