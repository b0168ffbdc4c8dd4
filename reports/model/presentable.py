"""Make a run fit to be shown: what workloads and hosts said in it cannot act on who reads it."""

from functools import partial
from typing import Annotated, Any

import msgspec

from benchmarks.results import sample_table
from benchmarks.results.printable import cut, visible
from benchmarks.results.records import UNREADABLE, RunInfo, Sample, said
from benchmarks.results.runfolder import Run
from benchmarks.results.sample_table import Samples
from reports.errors import UnusableRunError

type _Number = Annotated[float, msgspec.Meta(ge=0)]


class _Identity(msgspec.Struct):
    hostname: str | None = None
    memory_bytes: _Number | None = None


class _Host(msgspec.Struct):
    identity: _Identity | None = None
    state: dict[str, Any] | None = None


class _Image(msgspec.Struct):
    size_bytes: _Number | None = None
    packages: dict[str, Any] | None = None


class _Campaign(msgspec.Struct):
    workloads: tuple[str, ...] = ()
    reproduces: str = ""


class _Loose(msgspec.Struct):
    """What is read of the parts of a description that have no type of their own."""

    host: _Host
    image: _Image | None
    campaign: _Campaign


_MOST = 4_000
"""Characters of what a sample says: a screen. The journal keeps all of it."""
_MOST_OF_INFO = 100_000
"""Characters of what a run says of itself: a virtual machine's whole definition is below."""


def presentable(run: Run) -> Run:
    """Return a run with every text of it made visible and cut; the folder is left as it is.

    Raises:
        UnusableRunError: Its description is nested too deeply, or holds what it cannot.
    """
    samples = sample_table.collect(run.samples)
    kinds = [_kind(kind) for kind in samples.kinds]
    try:
        info = _plain(msgspec.to_builtins(run.info), _MOST_OF_INFO)
        msgspec.convert(info, _Loose)
    except UNREADABLE as error:
        raise UnusableRunError(f"{run.path / 'run.json'} cannot be used: {said(error)}") from error
    return run._replace(
        info=msgspec.convert(info, RunInfo),
        samples=Samples(kinds, samples.columns),
        visits=[
            msgspec.structs.replace(
                visit,
                meanwhile=_plain(visit.meanwhile, _MOST),
                sandbox=_shown(visit.sandbox, _MOST),
            )
            for visit in run.visits
        ],
    )


def _kind(kind: Sample) -> Sample:
    return msgspec.convert(_plain(msgspec.structs.asdict(kind), _MOST), Sample)


def _shown(text: str, most: int) -> str:
    return visible(cut(text, most))


def _plain(value: Any, most: int) -> Any:
    """Return plain data with every text of it shown."""
    plain = partial(_plain, most=most)
    if type(value) is str:
        return _shown(value, most)
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value
