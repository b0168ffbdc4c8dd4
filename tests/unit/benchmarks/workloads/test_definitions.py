"""Workload files: those that come with tare, and what is said of a wrong one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import workloads
from benchmarks.campaign import config
from benchmarks.errors import MeasurementError, WorkloadError
from benchmarks.results.records import Direction, Resources, Unit
from benchmarks.sandboxes.base import Completed

SUFFIXES = {
    Unit.SECONDS: "_s",
    Unit.BYTES: "_bytes",
    Unit.PER_SECOND: "_per_s",
    Unit.RATIO: "_ratio",
}
OWN = """\
name = "own"
title = "My tool"
command = ["/opt/tool", "--threads={cpus}", "--time={seconds}"]
seconds = 2
timeout_s = 20
paths = { events = "/done/0/count", seconds = "/wall" }
event = "one turn"

[[readings]]
name = "pause_s"
title = "longest pause"
unit = "s"
direction = "lower"
at = "/pause~1ms"
scale = 1e-3
"""
ASKING = """\
name = "asking"
title = "My client"
command = ["/opt/ask", "{server}:{port}", "--json={}"]
seconds = 3
timeout_s = 20
paths = { events = "/done", seconds = "/wall" }
event = "one answer"

[server]
where = "peer"
command = ["/opt/serve", "{server}", "{port}", "{cpus}", "{seconds}"]
port = 5201
transport = "udp"
"""
SERVE = '["/opt/serve", "{server}", "{port}", "{cpus}", "{seconds}"]'
RESOURCES = Resources(cpus=2, cpuset=(0, 1), memory_bytes=1 << 29)
PLACEHOLDERS = ("{cpus}", "{seconds}", "{server}", "{port}")
SAID = b'{"done": [{"count": 30}], "wall": 1.5, "pause/ms": 12}'


def own(tmp_path: Path, text: str = OWN) -> workloads.Workload:
    file = tmp_path / "own.toml"
    file.write_text(text)
    return workloads.load(str(file), taken=("startup", "memory"))


@pytest.mark.parametrize("name", workloads.names())
def test_a_file_is_named_as_its_workload(name: str) -> None:
    assert workloads.load(name).name == name


@pytest.mark.parametrize("name", workloads.names())
def test_a_metric_carries_its_unit_in_its_name(name: str) -> None:
    for info in workloads.load(name).metrics():
        assert info.metric.endswith(SUFFIXES.get(info.unit, ""))
        assert info.title


@pytest.mark.parametrize("name", workloads.names())
def test_no_placeholder_is_left_in_a_command(name: str) -> None:
    workload = workloads.load(name)
    commands = [workload.args(RESOURCES, "198.18.0.1")]
    if workload.server is not None:
        commands.append(workload.server_args(RESOURCES, "198.18.0.1"))
    for args in commands:
        assert args[0].startswith("/")
        assert not any(mark in arg for arg in args for mark in PLACEHOLDERS)


def test_a_server_is_told_where_to_listen_and_its_client_whom_to_ask(tmp_path: Path) -> None:
    workload = own(tmp_path, ASKING)
    assert workload.args(RESOURCES, "198.18.0.1")[1:] == ["198.18.0.1:5201", "--json={}"]
    assert workload.server_args(RESOURCES, "198.18.0.1")[1:] == ["198.18.0.1", "5201", "2", "3"]
    assert workload.server is not None
    assert (workload.server.where, workload.server.transport) == ("peer", "udp")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"peer"', '"moon"', r"own\.toml:9: server\.where: Invalid enum value 'moon'"),
        ("5201", "80", r"own\.toml:9: server: port must be from 1024 to 65535"),
        ('"{server}:{port}"', '"198.18.0.1"', r"own\.toml:3: command: must name the address"),
        ("[server]", "[servers]", r"own\.toml:9: there is no key 'servers'; did you mean 'server'"),
        (SERVE, "[]", r"own\.toml:9: server: command must name at least a program"),
        (
            "[server]",
            '[neighbour]\ncommand = ["/opt/noise"]\nseconds = 4\n[server]',
            "server: a workload beside a neighbour has none",
        ),
    ],
)
def test_a_wrong_server_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        own(tmp_path, ASKING.replace(old, new, 1))


def test_an_address_needs_a_server(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"own\.toml:3: command: \{server\} stands for"):
        own(tmp_path, ASKING.partition("[server]")[0])


def test_every_workload_is_part_of_a_preset() -> None:
    presets = [config.load(name) for name in config.presets()]
    assert set(workloads.names()) <= {name for preset in presets for name in preset.workloads}


def test_a_neighbour_needs_a_speed_to_lose(tmp_path: Path) -> None:
    neighbour = '\n[neighbour]\ncommand = ["/opt/noise", "{seconds}"]\nseconds = 4\n'
    with pytest.raises(WorkloadError, match="neighbour: needs a workload with a throughput"):
        own(tmp_path, OWN + neighbour)
    workload = own(tmp_path, OWN.partition("\n[[")[0] + neighbour)
    assert [info.metric for info in workload.metrics()] == [
        "kept_ratio",
        "alone_per_s",
        "beside_per_s",
    ]
    assert workload.neighbour is not None
    resources = Resources(cpus=1, cpuset=(0,), memory_bytes=1 << 29)
    assert workload.neighbour.args(resources) == ["/opt/noise", "4"]


def test_a_document_is_read_by_pointers(tmp_path: Path) -> None:
    assert own(tmp_path).read(Completed(0, SAID, b"", 1.6), 0.6) == {
        "throughput_per_s": 20,
        "host_cpu_s": 0.6,
        "host_cpu_s_per_event": pytest.approx(0.02),
        "pause_s": pytest.approx(0.012),
    }


def test_readings_may_stand_alone(tmp_path: Path) -> None:
    alone = OWN.replace('paths = { events = "/done/0/count", seconds = "/wall" }\n', "")
    workload = own(tmp_path, alone)
    assert [info.metric for info in workload.metrics()] == ["pause_s", "host_cpu_s"]
    assert workload.metrics()[0].direction is Direction.LOWER
    read = workload.read(Completed(0, SAID, b"", 1.6), 0.6)
    assert read == {"host_cpu_s": 0.6, "pause_s": pytest.approx(0.012)}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("30", "null"),
        ("30", "true"),
        ("30", "[30]"),
        ("30", '"many"'),
        ("30", "-30"),
        ("30", "0"),
        ("30", "1e400"),
        ("1.5", "0"),
        ("1.5", "NaN"),
        ("12", "Infinity"),
        ("wall", "walk"),
        ('[{"count": 30}]', "[]"),
        ('[{"count": 30}]', "7"),
        ('{"done"', '[{"done"'),
    ],
)
def test_what_is_no_number_is_a_failure(tmp_path: Path, old: str, new: str) -> None:
    said = SAID.decode().replace(old, new).encode()
    with pytest.raises(MeasurementError, match="/opt/tool"):
        own(tmp_path).read(Completed(0, said, b"", 1.6), 0.6)


def test_a_group_that_is_no_number_is_a_failure(tmp_path: Path) -> None:
    text = OWN.partition("paths")[0] + "pattern = '(?P<events>\\S+) in (?P<seconds>\\S+)'\n"
    with pytest.raises(MeasurementError, match="gives no number as events: 'ten'"):
        own(tmp_path, text).read(Completed(0, b"ten in 2", b"", 2.0), 1.0)


def test_a_group_without_a_match_is_a_failure(tmp_path: Path) -> None:
    text = OWN.partition("paths")[0] + "pattern = 'state:(?P<word> up)?'\n"
    assert own(tmp_path, text).read(Completed(0, b"state: up", b"", 1.0), 1.0) == {"word": " up"}
    with pytest.raises(MeasurementError, match="gives no word"):
        own(tmp_path, text).read(Completed(0, b"state: down", b"", 1.0), 1.0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("event =", "evnet =", r"own\.toml:7: there is no key 'evnet'; did you mean 'event'\?"),
        ("seconds = 2", 'seconds = "2"', r"own\.toml:4: seconds: must be a whole number, not text"),
        ("timeout_s = 20", "timeout_s = 1", r"own\.toml:5: timeout_s: must be above seconds"),
        ('name = "own"', 'name = "memory"', r"own\.toml:1: name: 'memory' is measured by tare"),
        ("title", "titel", r"own\.toml:2: there is no key 'titel'; did you mean 'title'\?"),
        ('"/wall"', '"wall"', r"own\.toml:6: paths: 'wall' is no JSON Pointer"),
        ("seconds = ", "second = ", r"own\.toml:4: there is no key 'second'; did you mean"),
        (', seconds = "/wall"', "", r"own\.toml:6: paths: needs .* it has events"),
        ('event = "', 'events = 3\nevent = "', r"own\.toml:7: events: paths gives them already"),
        ('event = "', "pattern = '('\nevent = \"", r"own\.toml:7: pattern: give either"),
        ('unit = "s"', 'unit = "ms"', r"own\.toml:9: readings\[0\]\.unit: Invalid enum value 'ms'"),
        ('unit = "s"', 'unit = "word"', r"own\.toml:9: readings: pause_s must be a number"),
        ('"pause_s"', '"host_cpu_s"', r"own\.toml:9: readings: a name stands twice or is one of"),
        ("scale", "scael", r"own\.toml:9: readings\[0\]: .*unknown field `scael`"),
        ("command =", "command = [\n#", r"own\.toml:5: this is not TOML: Invalid value"),
    ],
)
def test_a_wrong_key_is_named_with_its_line(
    tmp_path: Path,
    old: str,
    new: str,
    message: str,
) -> None:
    with pytest.raises(WorkloadError, match=message):
        own(tmp_path, OWN.replace(old, new, 1))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?P<events>\\d+", r"own\.toml:6: pattern: is no regular expression"),
        ("(?P<events>\\d+)", r"own\.toml:6: pattern: needs the named groups .* it has events"),
        (
            "(?P<events>\\d+) (?P<rate>\\d+) (?P<best>\\d+)",
            r"own\.toml:6: pattern: nothing reads best; add a reading",
        ),
        ("", r"own\.toml:6: pattern: give either pattern, or paths"),
    ],
)
def test_a_wrong_pattern_is_named(tmp_path: Path, pattern: str, message: str) -> None:
    text = OWN.partition("paths")[0] + f"pattern = '{pattern}'\nevent = \"one\"\n"
    with pytest.raises(WorkloadError, match=message):
        own(tmp_path, text)


def test_an_unreadable_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(WorkloadError, match="is not TOML: it is not UTF-8"):
        workloads.load(str(tmp_path / "own.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(WorkloadError, match=r"cannot read .*Is a directory"):
        workloads.load(str(tmp_path / "folder.toml"))


def test_the_published_schema_is_the_one_in_force() -> None:
    published = Path(__file__).parents[4] / "docs" / "workload.schema.json"
    assert json.loads(published.read_text()) == json.loads(json.dumps(workloads.schema()))


def test_every_workload_is_described_for_readers() -> None:
    page = (Path(__file__).parents[4] / "docs" / "workloads.md").read_text()
    assert [name for name in workloads.names() if f"`{name}`" not in page] == []


def test_a_digest_tells_definitions_apart(tmp_path: Path) -> None:
    source = (Path(workloads.__file__).parent / "syscall.toml").read_text()
    for name, text in (("same", source), ("other", source.replace("seconds = ", "seconds = 1"))):
        (tmp_path / f"{name}.toml").write_text(text)
    same, other = (workloads.digests([str(tmp_path / f"{n}.toml")]) for n in ("same", "other"))
    assert workloads.digests(["startup", "syscall"]) == same
    assert same.keys() == other.keys() == {"syscall"}
    assert same != other
