"""Sets an aggressor beside a victim, and an aggressor beside the host's accounts."""

from __future__ import annotations

import inspect
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from benchmarks.errors import MeasurementError
from benchmarks.experiments.covert_channels.load import Load
from benchmarks.experiments.covert_channels.transmit import RETRY_FACTORS
from benchmarks.experiments.interference import agent
from benchmarks.experiments.interference.accounts import uncharged_s
from benchmarks.experiments.interference.model import AGGRESSORS, VICTIMS, Account, Ordeal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.experiments.covert_channels import End

_INTERPRETER = "/usr/bin/python3"
_GRACE_S = 30.0
PAIRS = 6
"""Fewest pairs from which a median has a 95 % interval."""
_SLOT_S = 0.25
_GUARD_S = 0.03
_ROUND_S = 0.8
_LATE = "it began too late: the host is too busy"
"""Tried again with more time to begin; the timetable is given before the agent begins."""


def ordeals(
    victim: End,
    aggressor: End,
    seed: int,
    *,
    victims: Sequence[str] = VICTIMS,
    aggressors: Sequence[str] = AGGRESSORS,
    pairs: int = PAIRS,
) -> Iterator[Ordeal]:
    """Try every victim beside every aggressor; a failure is an ordeal with an error.

    Args:
        victim: The instance that works all the time.
        aggressor: Another instance of the same sandbox, which works in every other slot.
        seed: Of the order of quiet and disturbed slots.
        victims: Which victims.
        aggressors: Which aggressors.
        pairs: Pairs of slots, a quiet one and a disturbed one each.
    """
    for what in victims:
        for against in aggressors:
            word = f"{seed}/{what}/{against}"
            for times in RETRY_FACTORS:
                one, two = (e._replace(lead_s=times * e.lead_s) for e in (victim, aggressor))
                found = _ordeal(one, two, what, against, word, pairs)
                if found.error != _LATE:
                    break
            yield found


def _ordeal(  # noqa: PLR0917  # two ends, two words
    victim: End, aggressor: End, what: str, against: str, seed: str, pairs: int
) -> Ordeal:
    drawn = random.Random(seed)  # noqa: S311  # not cryptography
    busy = [on for _ in range(pairs) for on in drawn.sample((0, 1), 2)]
    guard = _GUARD_S + victim.doubt_s + aggressor.doubt_s
    slot = _SLOT_S + 2 * guard
    start = time.time() + max(victim.lead_s, aggressor.lead_s) + guard
    enduring = (
        f"main(endure, {what!r}, {start + victim.ahead_s!r}, {slot!r}, {len(busy)}, {guard!r})"
    )
    attacking = f"main(attack, {against!r}, {start + aggressor.ahead_s!r}, {slot!r}, {busy!r})"
    made = Ordeal(sandbox=victim.sandbox, victim=what, aggressor=against)
    load = Load()
    limit = start - time.time() + len(busy) * slot + _GRACE_S
    with ThreadPoolExecutor(2, thread_name_prefix="interference") as pool:
        roles = ((victim, enduring), (aggressor, attacking))
        played = [pool.submit(_play, end, call, limit) for end, call in roles]
        try:
            said, attacked = (one.result() for one in played)
        except MeasurementError as error:
            return msgspec.structs.replace(made, error=str(error))
    if "late" in {said, attacked}:
        return msgspec.structs.replace(made, error=_LATE)
    rates = [float(rate) for rate in said.split()]
    found = []
    for place in range(0, len(busy), 2):
        quiet, disturbed = rates[place : place + 2]
        found.append((disturbed, quiet) if busy[place] else (quiet, disturbed))
    return msgspec.structs.replace(made, pairs=tuple(found), busy=load.share())


def accounts(
    aggressor: End, aggressors: Sequence[str] = AGGRESSORS, rounds: int = PAIRS
) -> Iterator[Account]:
    """See what each aggressor alone is charged, and what the kernel does beside its account."""
    for against in aggressors:
        try:
            tries = (aggressor._replace(lead_s=times * aggressor.lead_s) for times in RETRY_FACTORS)
            found = next(filter(None, (_account(end, against, rounds) for end in tries)), None)
        except MeasurementError as error:
            yield Account(sandbox=aggressor.sandbox, aggressor=against, error=str(error))
        else:
            yield found or Account(sandbox=aggressor.sandbox, aggressor=against, error=_LATE)


def _account(end: End, against: str, rounds: int) -> Account | None:
    """Return the account; None where the aggressor began too late."""
    uncharged_s()  # where that cannot be had nobody need work for it
    charged: list[float | None] = []
    uncharged = []
    # The aggressor works in every other round of one timetable; we read at the rounds' ends.
    busy = [0, 1] * rounds
    start = time.time() + end.lead_s + end.doubt_s
    call = f"main(attack, {against!r}, {start + end.ahead_s!r}, {_ROUND_S!r}, {busy!r})"
    limit = start - time.time() + len(busy) * _ROUND_S + _GRACE_S
    with ThreadPoolExecutor(1, thread_name_prefix="interference") as pool:
        playing = pool.submit(_play, end, call, limit)
        for place in range(rounds):
            marks = []
            for edge in range(3):
                moment = start + (2 * place + edge) * _ROUND_S
                time.sleep(max(0.0, moment - time.time()))
                marks.append((uncharged_s(), end.instance.cpu_seconds()))
            (quiet, _), (middle, one), (last, two) = marks
            uncharged.append((last - middle) - (middle - quiet))
            charged.append(None if one is None or two is None else two - one)
        if playing.result() == "late":
            return None
    return Account(
        sandbox=end.sandbox,
        aggressor=against,
        charged_s=tuple(charged),
        uncharged_s=tuple(uncharged),
        round_s=_ROUND_S,
    )


def _play(end: End, call: str, timeout_s: float) -> str:
    source = f"{inspect.getsource(agent)}\n{call}\n"
    done = end.instance.run([_INTERPRETER, "-I", "-S", "-c", source], timeout_s=timeout_s)
    said = done.stdout.decode(errors="replace").strip()
    if done.exit_code or not said:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        why = told[-1] if told else f"exit status {done.exit_code}"
        raise MeasurementError(f"the agent in {end.sandbox} broke: {why}")
    return said
