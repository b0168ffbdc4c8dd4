"""The order in which limits are written, against the kernel's rules for every moment of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cgroups import files, legacy_limits, limits, v2

ALL = limits.UNLIMITED
MEMORY = "memory.limit_in_bytes"
BOTH = "memory.memsw.limit_in_bytes"
QUOTA, PERIOD, BURST = "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.cfs_burst_us"

# bytes in pages, as the kernel rounds them; small numbers collide more often
amounts = st.one_of(st.just(ALL), st.integers(1, 9).map(lambda pages: pages * 4096))


@st.composite
def memory_states(draw: st.DrawFn) -> tuple[int, int]:
    memory, both = draw(amounts), draw(amounts)
    if both != ALL and (memory == ALL or memory > both):
        memory = both
    return memory, both


def infinite(value: int) -> float:
    return float("inf") if value == ALL else value


@given(st.one_of(st.none(), amounts), st.one_of(st.none(), amounts, st.just(0)), memory_states())
def test_v1_memory_is_never_above_memory_and_swap(
    limit: int | None, swap: int | None, before: tuple[int, int]
) -> None:
    state = {MEMORY: before[0], BOTH: before[1]}
    memory = before[0] if limit is None else limit
    if memory == ALL and swap not in (None, ALL):
        with pytest.raises(files.CgroupOSError, match="needs memory_limit_bytes"):
            legacy_limits.memory_writes(limit, swap, before)
        return
    for name, value in legacy_limits.memory_writes(limit, swap, before):
        state[name] = value
        assert infinite(state[MEMORY]) <= infinite(state[BOTH])  # the kernel's rule, at any time
    assert state[MEMORY] == memory
    if swap is None:
        swap = ALL if before[1] == ALL else before[1] - before[0]
    assert state[BOTH] == (ALL if ALL in (memory, swap) else memory + swap)


quotas = st.one_of(st.just(ALL), st.integers(1, 40))
periods = st.integers(1, 20)


@given(
    st.one_of(st.none(), quotas),
    st.one_of(st.none(), periods),
    st.one_of(st.none(), st.integers(0, 40)),
    st.tuples(quotas, periods, st.integers(0, 40)),
)
def test_v1_cpu_time_never_passes_the_larger_of_before_and_after(
    quota: int | None, period: int | None, burst: int | None, before: tuple[int, int, int]
) -> None:
    state = dict(zip((QUOTA, PERIOD, BURST), before, strict=True))
    after = {
        QUOTA: before[0] if quota is None else quota,
        PERIOD: before[1] if period is None else period,
        BURST: before[2] if burst is None else burst,
    }
    for end in (state, after):
        if end[BURST] > infinite(end[QUOTA]):
            return  # no group is ever like that
    # a group above allows just what the ends need
    most = max(infinite(end[QUOTA]) / end[PERIOD] for end in (state, after))
    for name, value in legacy_limits.cpu_writes(quota, period, burst, before[:2]):
        state[name] = value
        assert infinite(state[QUOTA]) / state[PERIOD] <= most
        assert state[BURST] <= infinite(state[QUOTA])
    assert state == after


@given(
    st.one_of(st.none(), quotas),
    st.one_of(st.none(), st.integers(0, 40)),
    st.tuples(quotas, st.integers(0, 40)),
)
def test_v2_burst_never_passes_the_quota(
    quota: int | None, burst: int | None, before: tuple[int, int]
) -> None:
    state = {"cpu.max": before[0], "cpu.max.burst": before[1]}
    after = (before[0] if quota is None else quota, before[1] if burst is None else burst)
    if before[1] > infinite(before[0]) or after[1] > infinite(after[0]):
        return
    texts = {"cpu.max": f"{limits.or_max(before[0])} 100", "cpu.max.burst": str(before[1])}

    def put(path: str, text: str) -> None:
        word = text.split(maxsplit=1)[0]
        state[path.rpartition("/")[2]] = ALL if word == "max" else int(word)
        assert state["cpu.max.burst"] <= infinite(state["cpu.max"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "write", put)
        patch.setattr(files, "read", lambda path: texts[path.rpartition("/")[2]])
        patch.setattr("os.path.exists", lambda _: True)
        group = v2.UnifiedGroup("/posed", controllers={"cpu"})
        group.limit({"cpu_quota_us": quota, "cpu_burst_us": burst})
    assert tuple(state.values()) == after
