"""Test results for CI servers: a suite is a workload, a case is a metric in a sandbox."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from reports.comparison.changes import Effect
from reports.exports.source import too_often_failed
from reports.renderers import units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.comparison.changes import Change, Comparison
    from reports.exports.source import Source
    from reports.model.records import NumberRow

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_KINDS = ("failure", "error", "skipped")

type Key = tuple[str, str, str, str]


def junit(sources: Sequence[Source]) -> bytes:
    """Return JUnit XML; a case fails where the run is worse than the one it was compared with.

    What was tried for in vain is an error, and what a sandbox cannot give is skipped. Without a
    comparison nothing fails.
    """
    source = sources[0]
    comparison = source.comparison
    suites: dict[str, ET.Element] = {}
    root = ET.Element("testsuites", name="tare")
    changes = {_key(one): one for one in comparison.changes} if comparison else {}
    if comparison and not comparison.comparable:
        _add(root, suites, "comparison", "comparable", "runs", what=("error", comparison.reason))
    for row in source.document.numbers:
        what = _became(row, changes.get(_key(row)))
        name = row.metric + "".join(f",{key}={value}" for key, value in row.parameters.items())
        _add(root, suites, row.workload, name, row.sandbox, what=what)
    for sandbox, reason in source.document.absent.items():
        _add(root, suites, "sandboxes", "present", sandbox, what=("skipped", reason))
    if comparison:
        _add_others(root, suites, comparison)
    for suite in suites.values():
        suite.set("tests", str(len(suite)))
        for kind, plural in zip(_KINDS, ("failures", "errors", "skipped"), strict=True):
            suite.set(plural, str(len(suite.findall(f"testcase/{kind}"))))
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _add_others(root: ET.Element, suites: dict[str, ET.Element], comparison: Comparison) -> None:
    """Add what changed that is no number, and what can no longer be measured."""
    for word in comparison.words:
        said = f"{word.title}: {word.base} became {word.new}"
        what = ("failure", said) if word.effect is Effect.WORSE else None
        _add(root, suites, word.workload, word.metric, word.sandbox, what=what)
    for sandbox, workload in comparison.lost:
        what = ("error", "measured before, and now in vain")
        _add(root, suites, workload, "measured", sandbox, what=what)


def _became(row: NumberRow, change: Change | None) -> tuple[str, str] | None:
    """Return how a case ended, and why; None where it passed."""
    if change and change.effect is Effect.WORSE:
        ratio = units.ratio(change.ratio) if change.ratio else ""
        return "failure", f"{row.title}: {ratio} {change.reason}".strip()
    if too_often_failed(row):
        return "error", f"{row.failed} of {row.ok + row.failed} failed"
    if row.ok == 0:
        return "skipped", f"{row.sandbox} does not give this"
    return None


def _key(one: NumberRow | Change) -> Key:
    return one.sandbox, one.workload, one.metric, str(sorted(one.parameters.items()))


def _add(
    root: ET.Element,
    suites: dict[str, ET.Element],
    workload: str,
    name: str,
    sandbox: str,
    *,
    what: tuple[str, str] | None,
) -> None:
    suite = suites.get(workload)
    if suite is None:
        suite = suites[workload] = ET.SubElement(root, "testsuite", name=_text(workload))
    case = ET.SubElement(suite, "testcase", classname=_text(sandbox), name=_text(name))
    if what:
        kind, said = what
        ET.SubElement(case, kind, message=_text(said))


def _text(text: str) -> str:
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
