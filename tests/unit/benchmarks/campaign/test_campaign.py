from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import workloads
from benchmarks.campaign import config
from benchmarks.errors import CampaignError, MeasurementError, WorkloadError
from benchmarks.sandboxes.base import Completed

GOOD = """\
name = "mine"
# a comment
sandboxes = ["native", "container"]
workloads = ["startup", "sysbench-cpu"]
budget_s = 10
"""


def write(tmp_path: Path, text: str) -> str:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize("name", config.presets())
def test_presets_load(name: str) -> None:
    assert config.load(name).name == name


def test_options_take_the_place_of_the_file(tmp_path: Path) -> None:
    loaded = config.load(write(tmp_path, GOOD), budget_s=3.0, seed=None)
    assert loaded.budget_s == 3.0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("budgets = 3", r"mine\.toml:6: there is no key 'budgets'; did you mean 'budget_s'\?"),
        ('precision = "high"', r"mine\.toml:6: precision: must be a number, not text"),
        ("precision = 5", r"mine\.toml:6: precision: must be a fraction"),
        ("precision = nan", r"mine\.toml:6: precision: must be a fraction"),
        ("settle_s = inf", r"mine\.toml:6: settle_s: must be a number of seconds"),
        ("memory_mib = 1", r"mine\.toml:6: memory_mib: must be 64 or more"),
        ("cpuset = [0, 1]", r"mine\.toml:6: cpuset: must be as many CPUs as cpus says"),
        ("blocks_min = 0", r"mine\.toml:6: blocks_min: must be 1 to blocks_max"),
        ("cpus = ", r"mine\.toml:6: this is not TOML: Invalid value"),
        ("cpus = [1", r"mine\.toml:6: this is not TOML: Unclosed array"),
        ("cpus = 1.5", r"mine\.toml:6: cpus: must be a whole number, not one with a point"),
        ("cpuset = [0, 'one']", r"mine\.toml:6: cpuset\[1\]: must be a whole number, not text"),
        ("[settle]\ns = 1", r"mine\.toml:6: there is no key 'settle'; did you mean 'settle_s'\?"),
        ("settle.s = 1", r"mine\.toml:6: there is no key 'settle'"),
        ("reproduces = 'felter'", r"mine\.toml:6: .*did you mean 'felter2014'"),
    ],
)
def test_a_wrong_key_is_named_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(CampaignError, match=message):
        config.load(write(tmp_path, f"{GOOD}{line}\n"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("container", "contaner", r":3: there is no sandbox 'contaner'; did you mean 'container'"),
        ("sysbench-cpu", "sysbench", r":4: there is no workload 'sysbench'; did you mean"),
        ('"native", ', '"container", ', r":3: sandboxes: the same name stands twice"),
        (
            '"native", ',
            "\n  # not 'fake:slo'\n  'fake:slo',\n",
            r":5: there is no sandbox 'fake:slo'",
        ),
    ],
)
def test_a_wrong_name_is_named_with_its_line(
    tmp_path: Path,
    old: str,
    new: str,
    message: str,
) -> None:
    with pytest.raises(CampaignError, match=message):
        config.load(write(tmp_path, GOOD.replace(old, new)))


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(CampaignError, match="did you mean 'quick'"):
        config.load("quik")


def test_a_wrong_option_is_not_blamed_on_the_file() -> None:
    with pytest.raises(
        CampaignError, match=r"^an option cannot be used: budget_s: must be a number"
    ):
        config.load("quick", budget_s=-1.0)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match=r"cannot read the campaign .*: No such file"):
        config.load(str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[settle]\n" + ".".join("a" * 100_000) + " = 1\n", r"toml:8: it is nested too deeply"),
        ("x = { " + " . ".join(["'a'", '"b"'] * 50_000) + " = 1 }", r":7: it is nested too deeply"),
        ("x = " + "[" * 100_000, "it is nested too deeply"),
        ("#" * 1_000_000, "it is longer than any campaign: more than 1,000,000 bytes"),
        ('x = """' + "a.b.c and so on. " * 1000 + '"""', "there is no key 'x'"),
    ],
)
def test_what_would_take_hours_to_read_is_refused_in_a_sentence(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(CampaignError, match=message) as error:
        config.load(write(tmp_path, f"{GOOD}\n{text}"))
    assert len(str(error.value).splitlines()) == 1


def test_the_schema_describes_every_key() -> None:
    schema = config.schema()
    assert "budget_s" in str(schema)


SYSBENCH = b"""
CPU speed:
    events per second:  1234.50

General statistics:
    total time:                          1.0005s
    total number of events:              1236
"""


def test_sysbench_output_is_read() -> None:
    read = workloads.load("sysbench-cpu").read(Completed(0, SYSBENCH, b"", 1.1), 0.618)
    assert read == {
        "throughput_per_s": 1234.5,
        "host_cpu_s": 0.618,
        "host_cpu_s_per_event": pytest.approx(0.0005),
    }


def test_dd_output_is_read() -> None:
    said = b"4000+0 records in\n4000+0 records out\n4000 bytes (4.0 kB) copied, 0.5 s, 8 kB/s\n"
    read = workloads.load("syscall").read(Completed(0, b"", said, 0.6), 0.4)
    assert read["throughput_per_s"] == 8000


@pytest.mark.parametrize(
    ("completed", "message"),
    [
        (Completed(1, b"", b"FATAL: no threads", 0.1), "ended with status 1: FATAL: no threads"),
        (Completed(0, b"something else", b"", 0.1), "has no result: 'something else'"),
        (Completed(0, SYSBENCH.replace(b"1236", b"0"), b"", 0.1), "did no work"),
    ],
)
def test_a_failed_tool_is_never_a_number(completed: Completed, message: str) -> None:
    with pytest.raises(MeasurementError, match=message):
        workloads.load("sysbench-cpu").read(completed, 0.1)


def test_a_users_own_workload_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        'name="own"\ntitle="Own"\ncommand=["/bin/true"]\nseconds=1\ntimeout_s=5\n'
        "pattern='(?P<events>[0-9]+) in (?P<seconds>[0-9.]+)'\nevent=\"one\"\n",
    )
    read = workloads.load(str(file)).read(Completed(0, b"10 in 2.0", b"", 2.0), 1.0)
    assert read["throughput_per_s"] == 5.0


def test_a_workload_without_groups_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        'name="own"\ntitle="Own"\ncommand=["/bin/true"]\nseconds=1\ntimeout_s=5\n'
        "pattern='x'\nevent=\"one\"\n",
    )
    with pytest.raises(WorkloadError, match="named groups"):
        workloads.load(str(file))


def test_the_published_schema_is_the_one_in_force() -> None:
    published = Path(__file__).parents[4] / "docs" / "campaign.schema.json"
    assert json.loads(published.read_text()) == json.loads(json.dumps(config.schema()))
