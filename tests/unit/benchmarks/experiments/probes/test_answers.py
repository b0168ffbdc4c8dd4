"""Every answer a kernel may give to every probe and control: what is not known is unknown."""

from __future__ import annotations

import errno
import re
import signal
from pathlib import Path

import msgspec
import pytest

from benchmarks.experiments import probes
from benchmarks.experiments.probes import Outcome, Verdict, agent
from benchmarks.experiments.probes.controls import Control, judge_attempt
from benchmarks.experiments.probes.rules import readable
from tests.unit.benchmarks.experiments.probes import world

PAGE = Path(__file__).parents[5] / "docs" / "probes.md"
ROW = re.compile(r"^\| `([\w-]+)` \| ([\w, ]+) \| ([\w, ]+) \| ([\w, ]*)\|$", re.MULTILINE)
REFUSED = {"EPERM", "EACCES", "ENOSYS"}
ERRORS = sorted(errno.errorcode.values())
CONTROLS = probes.controls(world.MARKERS)


def documented() -> dict[str, dict[str, Outcome]]:
    """Read the table of docs/probes.md: control to what each error means."""
    table = {}
    for control, *columns in ROW.findall(PAGE.read_text(encoding="utf-8")):
        held, opened, nothing = ({*re.findall(r"\bE[A-Z]\w+", column)} for column in columns)
        table[control] = {
            **dict.fromkeys(held | REFUSED, Outcome.HELD),
            **dict.fromkeys(opened, Outcome.OPEN),
            **dict.fromkeys(nothing, Outcome.NOT_APPLICABLE),
        }
    return table


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_each_error_means_what_the_page_says_and_any_other_is_unknown(control: Control) -> None:
    means = documented()[control.id]
    for name in ERRORS:
        found = judge_attempt(control, ("errno", getattr(errno, name)))
        assert found.outcome is means.get(name), name
        assert (found.outcome is None) == bool(found.error)
    assert judge_attempt(control, ("errno", 4095)).outcome is None


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_each_signal_but_a_filter_s_is_unknown(control: Control) -> None:
    refusing = {signal.SIGSYS} | ({signal.SIGSEGV} if control.id == "entry-32bit" else set())
    for number in signal.valid_signals():
        found = judge_attempt(control, ("signal", number)).outcome
        assert found is (Outcome.HELD if number in refusing else None), number


def test_the_page_has_no_control_that_is_not_tried() -> None:
    if len(CONTROLS) == len(documented()):
        assert [control.id for control in CONTROLS] == [*documented()]
    assert {control.id for control in CONTROLS} <= documented().keys()


def test_a_key_that_was_not_planted_is_not_missed() -> None:
    unplanted = {control.id: control for control in probes.controls({})}
    found = judge_attempt(unplanted["keyring-search"], ("errno", errno.ENOKEY))
    assert found.outcome is None


@pytest.mark.parametrize("layout", ["v1", "hybrid", "v2", "unmounted"])
def test_files_of_a_cgroup_layout_are_not_taken_for_an_open_control(
    tmp_path: Path, layout: str
) -> None:
    """On v2 the files of the root group stand among its folders, and answer ENOTDIR."""
    folders = {
        "v1": ["memory", "cpu"],
        "hybrid": ["memory", "unified/init.scope"],
        "v2": ["init.scope", "system.slice"],
        "unmounted": [],
    }[layout]
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    if layout == "v2":
        for name in ("cgroup.controllers", "cpu.stat"):
            (tmp_path / name).touch()
    assert agent.below_each(str(tmp_path), "release_agent", 1) == -errno.ENOENT
    if folders:
        (tmp_path / folders[0] / "release_agent").touch()
        assert agent.below_each(str(tmp_path), "release_agent", 1) == 0


def test_an_unclear_error_is_not_hidden_by_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"a": errno.EROFS, "b": errno.EBUSY, "c": errno.EACCES, "d": errno.ENOTDIR}

    def answer(path: str, flags: int) -> dict[str, bool]:
        raise OSError(answers[path], f"not with {flags}")

    monkeypatch.setattr(agent, "try_open", answer)
    assert agent.open_first(["a", "b", "c", "d"], 0) == -errno.EBUSY
    assert agent.open_first(["d"], 0) == -errno.ENOENT
    assert agent.open_first(["a", "d"], 0) == -errno.EROFS


def test_a_mask_is_no_opening(tmp_path: Path) -> None:
    (tmp_path / "masked").symlink_to("/dev/null")
    assert agent.open_first([str(tmp_path / "masked")], 1) == -errno.ENXIO


MISSING = {"ENOENT", "ENOTDIR", "ENXIO", "ENODEV", "EOPNOTSUPP", "ENOSYS"}
KNOWN = {"EPERM", "EACCES"} | MISSING


@pytest.mark.parametrize("probe", probes.PROBES, ids=lambda probe: probe.id)
def test_an_error_of_the_sandbox_is_known_or_unknown_and_never_a_leak(probe: probes.Probe) -> None:
    known = KNOWN | ({"EROFS"} if probe.wants[0][1] == "open" else set())
    examined, inside = world.examination(world.hardened()), world.hardened()
    for name in ERRORS:
        values = inside | {want[0]: {"errno": name} for want in probe.wants}
        sandbox = probes.Reading(format=1, values=values)
        [found] = probes.judge(msgspec.structs.replace(examined, sandbox=sandbox), probes=[probe])
        assert found.verdict in (probes.KEPT | {None} if name in known else {None}), name


@pytest.mark.parametrize(
    "probe", [p for p in probes.PROBES if p.decide is readable], ids=lambda p: p.id
)
@pytest.mark.parametrize("name", ["EACCES", "EIO", "EINVAL"])
def test_what_the_host_cannot_read_is_unknown(probe: probes.Probe, name: str) -> None:
    key = probe.wants[0][0]
    before = world.host()
    inside = world.hardened() | {key: before.values[key]}
    before.values[key] = {"errno": name}
    assert world.verdicts(inside, before=before)[probe.id] is None


def test_two_links_that_cannot_be_read_are_not_the_same_namespace() -> None:
    before = world.host()
    unread: world.Values = {"/proc/self/ns/net": {"errno": "EACCES"}}
    before.values.update(unread)
    links = {"/sys/class/net": {"names": ["lo"]}}
    found = world.verdicts(world.hardened() | unread | links, before=before)
    assert found["links"] is None


@pytest.mark.parametrize(
    ("host", "inside", "verdict"),
    [
        (world.IDENTITY_MAP, "0 0 4294967295", Verdict.SHARED_LIVE),
        (world.IDENTITY_MAP, "0 0 65536", Verdict.SHARED_LIVE),
        (world.IDENTITY_MAP, "0 100000 65536", Verdict.NAMESPACED),
        (world.IDENTITY_MAP, "0 1000 1", Verdict.NAMESPACED),
        ("0 100000 65536", "0 100000 65536", Verdict.SHARED_LIVE),
        ("0 100000 65536", "0 1000 60000", Verdict.NAMESPACED),
    ],
)
def test_whose_root_the_root_inside_is_where_the_host_is_a_container(
    host: str, inside: str, verdict: Verdict
) -> None:
    before = world.host()
    before.values["/proc/self/uid_map"] = {"text": host}
    mapped = {"/proc/self/uid_map": {"text": inside}}
    assert world.verdicts(world.hardened() | mapped, before=before)["uid-map"] is verdict


@pytest.mark.parametrize(
    ("opens", "verdict"),
    [
        ("EPERM", Verdict.DENIED),
        ("ENOMEDIUM", Verdict.DENIED),
        ("EBUSY", None),
        (None, None),
        (True, Verdict.SHARED_LIVE),
    ],
)
def test_what_opening_a_device_says(opens: object, verdict: Verdict | None) -> None:
    devices = {"/dev": {"devices": {"sda": ["b", 8, 0, opens]}}}
    assert world.verdicts(world.hardened() | devices)["devices"] is verdict
