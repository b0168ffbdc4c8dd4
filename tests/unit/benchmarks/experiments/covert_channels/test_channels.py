"""Coding and capacity on made-up channels, and the agent's ends on this host."""

from __future__ import annotations

import errno
import inspect
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.experiments import covert_channels
from benchmarks.experiments.covert_channels import CHANNELS, Attempt, Band, capacity
from benchmarks.experiments.covert_channels.agent import ACTS, LOOKS, PAGES
from benchmarks.experiments.covert_channels.capacity import entropy, error_interval
from benchmarks.experiments.covert_channels.coding import Look, decode, levels, message
from benchmarks.experiments.covert_channels.model import Channel
from benchmarks.sandboxes.base import Completed

from benchmarks.experiments.covert_channels import agent  # isort: skip

GAUGE = Channel("meminfo", "", 0.04)
COUNTER = Channel("forks", "", 0.02, cumulative=True)
LOCKS = Channel("locks", "", 0.008, 48, 0.7)
START = 1000.0


def looks(
    channel: Channel, sent: list[int], *, offset: float = 0, noise: float = 0, seed: int = 1
) -> list[Look]:
    """What a receiver sees of levels: a gauge that stands high, or a counter that grows."""
    drawn = random.Random(seed)
    seen, total = [], 5000.0
    if channel.width > 1:
        for place, level in enumerate(sent):
            at = START + offset + (place + 0.7) * channel.slot_s
            seen.append(Look(at, float(level)))
        return seen
    step = channel.slot_s / 6
    for place in range(-12, 6 * len(sent) + 12):
        slot = place // 6
        level = sent[slot] if 0 <= slot < len(sent) else 0
        total += level * 3 + drawn.gauss(0, noise)
        value = total if channel.cumulative else 100 + 50 * level + drawn.gauss(0, noise)
        seen.append(Look(START + offset + (place + 1) * step, value))
    return seen


@pytest.mark.parametrize("channel", [GAUGE, COUNTER, LOCKS], ids=lambda channel: channel.name)
@pytest.mark.parametrize("offset", [0.0, 0.35, -0.35])
def test_a_clear_channel_is_read_without_an_error_whatever_the_clocks_say(
    channel: Channel, offset: float
) -> None:
    sent = message(channel, 64, "seed")
    seen = looks(channel, levels(channel, sent), offset=offset)
    found = decode(channel, sent, seen, START, abs(offset) + 0.1)
    assert found.payload == sent.payload
    assert found.offset_s == pytest.approx(offset, abs=channel.slot_s)


@pytest.mark.parametrize("channel", [GAUGE, COUNTER, LOCKS], ids=lambda channel: channel.name)
def test_a_dead_channel_is_wrong_in_half_of_its_bits_and_not_in_none(channel: Channel) -> None:
    sent = message(channel, 960, "seed")
    still = looks(channel, [0] * len(levels(channel, sent)))
    for seen in (still, []):
        found = decode(channel, sent, seen, START, 0.1)
        wrong = sum(a != b for a, b in zip(sent.payload, found.payload, strict=True))
        assert 0.4 < wrong / len(sent.payload) < 0.6


def test_noise_makes_errors_and_not_silence() -> None:
    sent = message(GAUGE, 400, "seed")
    seen = looks(GAUGE, levels(GAUGE, sent), noise=60)
    found = decode(GAUGE, sent, seen, START, 0)
    wrong = sum(a != b for a, b in zip(sent.payload, found.payload, strict=True))
    assert 0 < wrong < 160


def test_drift_does_not_blind_the_receiver() -> None:
    sent = message(GAUGE, 64, "seed")
    seen = [
        Look(look.at, look.value + 300 * (look.at - START))
        for look in looks(GAUGE, levels(GAUGE, sent))
    ]
    assert decode(GAUGE, sent, seen, START, 0).payload == sent.payload


def test_a_receiver_that_always_says_the_same_is_wrong_in_exactly_half() -> None:
    for channel, bits in ((GAUGE, 64), (LOCKS, 48 * 32)):
        payload = message(channel, bits, "seed").payload
        assert len(payload) == bits
        assert sum(payload) == bits // 2
        for lane in range(channel.width):
            column = payload[lane :: channel.width]
            assert 2 * sum(column) == len(column)


def test_an_accident_at_one_in_a_hundred_is_no_channel() -> None:
    lucky = capacity(attempt(22, 64))
    assert lucky is not None
    assert (lucky.carries, lucky.bits_per_s, lucky.low) == (False, 0, 0)
    assert lucky.high > 0
    seen = capacity(attempt(12, 64))
    assert seen is not None
    assert seen.carries


def test_an_end_that_cannot_keep_up_stops_with_its_timetable() -> None:
    began = time.time()
    slow = "FORKS = 10**6\n"
    call = "main(send, 'forks', time.time() + 0.6, 0.01, [1] * 20)"
    assert play(slow + call) == ["sent"]
    assert time.time() - began < 60  # twenty slots of a million forks would take minutes


def test_a_message_is_drawn_from_its_seed() -> None:
    assert message(GAUGE, 64, "a") == message(GAUGE, 64, "a")
    assert message(GAUGE, 64, "a") != message(GAUGE, 64, "b")


def attempt(wrong: int, bits: int, **more: object) -> Attempt:
    base = {"channel": "locks", "sender": "container", "receiver": "vm", "symbol_s": 0.01}
    return Attempt(**base, rate=100.0, bits=bits, wrong=wrong, **more)  # type: ignore[arg-type]


def test_capacity_of_what_is_known() -> None:
    assert entropy(0.5) == 1
    assert entropy(0) == 0
    assert entropy(0.11) == pytest.approx(0.4999, abs=1e-4)
    low, high = error_interval(0, 64)
    assert low == 0
    assert high == pytest.approx(1 - 0.025 ** (1 / 64))
    found = capacity(attempt(0, 64))
    assert found is not None
    assert found.bits_per_s == found.high == 100
    assert found.low == pytest.approx(100 * (1 - entropy(high)))
    assert (found.carries, found.band) == (True, Band.AUDITABLE)


def test_a_channel_that_carries_nothing_says_its_upper_bound() -> None:
    found = capacity(attempt(33, 64))
    assert found is not None
    assert (found.bits_per_s, found.low, found.carries) == (0, 0, False)
    assert 0 < found.high < 10
    assert "carries nothing; below" in covert_channels.describe(attempt(33, 64))


def test_more_wrong_than_a_coin_is_no_capacity() -> None:
    found = capacity(attempt(60, 64))
    assert found is not None
    assert not found.carries
    assert found.high > 50


def test_a_closed_source_has_no_capacity_and_a_failed_attempt_none_at_all() -> None:
    closed = capacity(attempt(0, 0, closed="container: EACCES /proc/locks"))
    assert closed is not None
    assert (closed.high, closed.carries) == (0, False)
    assert capacity(attempt(0, 0, error="broke")) is None
    assert covert_channels.describe(attempt(0, 0, error="broke")).startswith("error")


def test_an_end_that_breaks_is_an_error_and_no_closed_channel() -> None:
    class Broken:
        def run(self, args: list[str], *, timeout_s: float) -> Completed:
            del args, timeout_s
            return Completed(1, b"", b"Traceback\nMemoryError", 0.1)

    instance: Any = Broken()
    end = covert_channels.End("container", instance, 0.0, 0.0, 0.0)
    (tried,) = covert_channels.attempts(end, end, 1, [LOCKS])
    assert tried.closed is None
    assert "broke: MemoryError" in (tried.error or "")
    assert capacity(tried) is None


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_estimate(counts: tuple[int, int]) -> None:
    found = capacity(attempt(*counts))
    assert found is not None
    assert 0 <= found.low <= found.bits_per_s <= found.high <= 100


@pytest.mark.parametrize(
    ("bits_per_s", "band"),
    [(101, Band.HIGH), (100, Band.AUDITABLE), (0.1, Band.AUDITABLE), (0.09, Band.IGNORABLE)],
)
def test_bands(bits_per_s: float, band: Band) -> None:
    from benchmarks.experiments.covert_channels.capacity import band as judged

    assert judged(bits_per_s) is band


def test_every_channel_has_both_ends() -> None:
    names = [channel.name for channel in CHANNELS]
    assert names == list(ACTS) == list(LOOKS)
    assert all(channel.width <= 53 for channel in CHANNELS)  # exact as a float
    assert next(one.width for one in CHANNELS if one.name == "page-cache") == PAGES


def play(call: str) -> list[str]:
    source = f"{inspect.getsource(agent)}\n{call}\n"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, check=True)
    return done.stdout.decode().splitlines()


def test_an_end_that_is_kept_from_its_source_says_so() -> None:
    assert play("SHARED_FILE = '/nonexistent'\nmain(receive, 'page-cache', 0, 1, 1, 0.5)") == [
        "closed ENOENT /nonexistent"
    ]


def test_an_error_that_nobody_expects_breaks_an_end_and_closes_no_channel() -> None:
    for number in errno.errorcode:
        error = OSError(number, "no")
        closed = isinstance(agent.closed_by(error, "/proc/locks"), agent.ClosedError)
        assert closed == (errno.errorcode[number] in agent.CLOSING), errno.errorcode[number]
    assert {"EIO", "EMFILE", "ENOMEM", "EINVAL"}.isdisjoint(agent.CLOSING)


def test_an_end_that_begins_too_late_says_so() -> None:
    assert play("main(receive, 'meminfo', 5.0, 0.01, 2, 6)") == ["closed late"]


def test_both_ends_keep_their_timetable() -> None:
    began = time.time()
    seen = play("main(receive, 'meminfo', time.time() + 0.7, 0.1, 10, 4)")
    times = [float(line.split()[0]) for line in seen]
    assert began + 0.7 <= times[0] < times[-1]
    assert len(seen) > 5
    assert play("main(send, 'forks', time.time() + 0.5, 0.01, [1, 0, 1])") == ["sent"]


def test_an_act_is_not_heaped_up_where_its_end_was_passed_over() -> None:
    def held() -> int:
        return sum("tare-channel" in _target(path) for path in Path("/proc/self/fd").iterdir())

    act = ACTS["inodes"]()
    act(1, 0.0)
    once = held()
    act(1, 0.0)
    assert held() == once > 0
    act(0, 0.0)
    assert held() == 0


def _target(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
