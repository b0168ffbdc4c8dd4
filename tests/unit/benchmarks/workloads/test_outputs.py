"""Every workload's reading of real output, of torn output and of garbage.

The outputs were written by the tools in a sandbox on the development host; system information
of stress-ng and parts of long documents that nothing reads are left out.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import workloads
from benchmarks.errors import MeasurementError
from benchmarks.sandboxes.base import Completed

OUTPUTS = Path(__file__).parent / "outputs"
TWINS = {
    name: "network-tcp" if name.startswith("network") else name.rpartition("-")[0]
    for name in workloads.names()
    if workloads.load(name).server is not None
}
"""Those with a server in another place, and those that are the same over loopback."""
NAMES = [
    name
    for name in workloads.names()
    if workloads.load(name).neighbour is None and name not in TWINS
]
"""One with a neighbour is another's command and reading, twice; one with a server is its twin's."""
SPEEDS = [name for name in NAMES if workloads.load(name).is_speed()]
HOST_CPU_S = 0.5
EXPECTED = {
    "checksum": {"sha256": "6bfeb48eff3d0c7c6598238daf502ae4a240578a467984275d69879d6c5d1da5"},
    "context-switch": {"throughput_per_s": 95704.71},
    "disk-depth-128": {
        "read_per_s": 342809.190809,
        "write_per_s": 162150.849151,
        "mixed_read_per_s": 133826.173826,
    },
    "disk-fsync": {
        "throughput_per_s": 138575.4,
        "latency_p50_s": 5.64e-07,
        "latency_p99_s": 7.72e-07,
    },
    "disk-random": {
        "throughput_per_s": 342686,
        "latency_p50_s": 1.832e-06,
        "latency_p99_s": 3.184e-06,
    },
    "disk-random-32": {
        "throughput_per_s": 108508,
        "latency_p50_s": 0.000126464,
        "latency_p99_s": 0.004292608,
    },
    "disk-read": {"throughput_per_s": 3407.15},
    "disk-write": {"throughput_per_s": 1949.102},
    "file-create": {"throughput_per_s": 7803.205},
    "fork-exec": {"throughput_per_s": 1445.066},
    "hpcc": {
        "hpl_flop_per_s": 1284470000.0,
        "stream_bytes_per_s": 25770800000.0,
        "random_updates_per_s": 184213000.0,
    },
    "latency-tcp": {
        "throughput_per_s": 34109.09090909091,
        "latency_p50_s": 7.346e-06,
        "latency_p99_s": 0.000486288,
    },
    "latency-udp": {
        "throughput_per_s": 44425.92592592593,
        "latency_p50_s": 9.516999999999999e-06,
        "latency_p99_s": 8.2795e-05,
    },
    "mariadb": {"throughput_per_s": 1068.14, "latency_p95_s": 0.00207},
    "memory-latency": {"throughput_per_s": 5784893},
    "memory-stream": {"throughput_per_s": 97.71341},
    "memory-write": {"throughput_per_s": 9674.82},
    "network-tcp": {"throughput_per_s": 3137432389.555758},
    "openssl": {"throughput_per_s": 243167.3},
    "page-fault": {"throughput_per_s": 5029.816},
    "pipe": {"throughput_per_s": 139807},
    "python": {"throughput_per_s": 3450838},
    "redis-get": {
        "throughput_per_s": 34013.61,
        "latency_p50_s": 0.000367,
        "latency_p99_s": 0.000655,
    },
    "redis-set": {
        "throughput_per_s": 56390.98,
        "latency_p50_s": 0.000231,
        "latency_p99_s": 0.000399,
    },
    "sqlite": {
        "throughput_per_s": 3491.773,
        "latency_p50_s": 0.000108311,
        "latency_p99_s": 0.004310345,
    },
    "sysbench-cpu": {"throughput_per_s": 4979.69},
    "syscall": {"throughput_per_s": 526839.2},
    "web": {"throughput_per_s": 2618.135, "first_response_s": 0.1041138},
    "xz": {"throughput_per_s": 4553292},
}


def completed(name: str, output: bytes, exit_code: int = 0) -> Completed:
    if workloads.load(name).stream == "stderr":
        return Completed(exit_code, b"", output, 1.0)
    return Completed(exit_code, output, b"", 1.0)


def recorded(name: str) -> bytes:
    return (OUTPUTS / f"{name}.txt").read_bytes()


def read(name: str, output: bytes) -> dict[str, float | str] | None:
    """Read an output; None where it is refused, which no other way than this one may be."""
    try:
        return workloads.load(name).read(completed(name, output), HOST_CPU_S)
    except MeasurementError:
        return None


@pytest.mark.parametrize("name", NAMES)
def test_the_tools_own_output_is_read(name: str) -> None:
    results = read(name, recorded(name))
    assert results is not None
    found = {key: results[key] for key in results if not key.startswith("host_cpu_s")}
    assert found == pytest.approx(EXPECTED[name])
    assert tuple(results) == tuple(info.metric for info in workloads.load(name).metrics())


@pytest.mark.parametrize("name", TWINS)
def test_an_output_is_read_as_over_loopback(name: str) -> None:
    said = recorded(TWINS[name])
    twin = workloads.load(TWINS[name]).read(completed(TWINS[name], said), HOST_CPU_S)
    assert read(name, said) == twin


@pytest.mark.parametrize("name", SPEEDS)
def test_host_cpu_is_divided_by_the_events_done(name: str) -> None:
    results = read(name, recorded(name))
    assert results is not None
    per_event = results["host_cpu_s_per_event"]
    assert isinstance(per_event, float)
    assert 0 < per_event < HOST_CPU_S


@pytest.mark.parametrize("name", NAMES)
def test_an_output_torn_anywhere_is_never_another_number(name: str) -> None:
    whole = recorded(name)
    expected = read(name, whole)
    for length in range(len(whole)):
        assert read(name, whole[:length]) in (None, expected), length
    assert read(name, b"") is None


@pytest.mark.parametrize("name", NAMES)
def test_a_failed_tool_gives_no_number_whatever_it_wrote(name: str) -> None:
    with pytest.raises(MeasurementError, match="ended with status 1"):
        workloads.load(name).read(completed(name, recorded(name), exit_code=1), HOST_CPU_S)


@given(name=st.sampled_from(NAMES), garbage=st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_garbage_is_refused(name: str, garbage: bytes) -> None:
    assert read(name, garbage) is None


@given(
    name=st.sampled_from(NAMES),
    place=st.floats(0, 1),
    garbage=st.one_of(
        st.binary(max_size=8), st.sampled_from([b"nan", b"-1", b"1e999", b"0", b"{"])
    ),
    length=st.integers(0, 8),
)
@settings(max_examples=400, deadline=None)
def test_a_damaged_output_is_refused_or_still_numbers(
    name: str,
    place: float,
    garbage: bytes,
    length: int,
) -> None:
    whole = recorded(name)
    at = int(place * len(whole))
    results = read(name, whole[:at] + garbage + whole[at + length :]) or {}
    for value in results.values():
        assert isinstance(value, str) or (math.isfinite(value) and value >= 0)


def test_a_failure_keeps_what_the_tool_said() -> None:
    said = completed("openssl", b"speed: Unknown algorithm rot13", exit_code=1)
    with pytest.raises(MeasurementError, match="status 1: speed: Unknown algorithm rot13"):
        workloads.load("openssl").read(said, HOST_CPU_S)


def test_a_skipped_stressor_is_a_failure_although_stress_ng_ends_well() -> None:
    with pytest.raises(MeasurementError, match="has no result"):
        workloads.load("pipe").read(completed("pipe", b"---\nmetrics:\n...\n"), HOST_CPU_S)


def test_a_missing_program_of_the_image_is_named() -> None:
    said = Completed(127, b"", b"bash: line 10: xz: command not found", 0.1)
    with pytest.raises(MeasurementError, match=r"not found \(it needs /usr/bin/xz in the image\)"):
        workloads.load("xz").read(said, HOST_CPU_S)


def test_notes_before_a_json_document_are_passed_over() -> None:
    noted = b"fio: this platform has no such clock\nnote: {clat}\n" + recorded("disk-random")
    assert read("disk-random", noted) == read("disk-random", recorded("disk-random"))
