"""Tries channels between two running instances, both ends at once."""

from __future__ import annotations

import inspect
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.errors import MeasurementError
from benchmarks.experiments.covert_channels import agent, coding
from benchmarks.experiments.covert_channels.load import Load
from benchmarks.experiments.covert_channels.model import CHANNELS, Attempt
from benchmarks.experiments.probes import UnreadableAgentError, shares_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.experiments.covert_channels.model import Channel
    from benchmarks.sandboxes.base import Instance

_INTERPRETER = "/usr/bin/python3"
_GRACE_S = 30.0
_MARGIN_SLOTS = 4
_LATE = "began too late: the host is too busy"
RETRY_FACTORS = (1, 2, 4)
"""How often the time to begin is given in each try; the next follows where an end is late."""
BITS = 64
"""Bits of a serial channel's payload; a parallel one, which is faster, sends more."""
PARALLEL_SYMBOLS = 32


class End(NamedTuple):
    """One end: a sandbox's name, an instance of it, and its clock.

    Attributes:
        sandbox: Name of the sandbox.
        instance: The instance.
        ahead_s: By how much its wall clock is ahead of the host's, seconds.
        doubt_s: By how much that may be wrong.
        lead_s: Longest time a program takes to begin in it.
    """

    sandbox: str
    instance: Instance
    ahead_s: float
    doubt_s: float
    lead_s: float


def end(sandbox: str, instance: Instance) -> End:
    """Look at an instance's clock, and at how long a program takes to begin.

    On one kernel the wall clock is one, also where a time namespace shifts the others.

    Raises:
        MeasurementError: Nothing can be run in it.
    """
    try:
        shared = shares_kernel(lambda args: instance.run(args, timeout_s=_GRACE_S).stdout)
    except UnreadableAgentError as error:
        raise MeasurementError(f"{sandbox} cannot run python3: {error}") from error
    command = [_INTERPRETER, "-I", "-S", "-c", "import time; print(time.time())"]
    began = time.time()
    done = instance.run(command, timeout_s=_GRACE_S)
    ended = time.time()
    try:
        theirs = float(done.stdout)
    except ValueError as error:
        said = done.stderr.decode(errors="replace").strip() or f"exit status {done.exit_code}"
        raise MeasurementError(f"{sandbox} cannot run python3: {said}") from error
    lead = 0.5 + 3 * (ended - began)
    if shared:
        return End(sandbox, instance, 0.0, 0.0, lead)
    return End(sandbox, instance, theirs - (began + ended) / 2, (ended - began) / 2 + 0.05, lead)


def attempts(
    sender: End,
    receiver: End,
    seed: int,
    channels: Sequence[Channel] = CHANNELS,
    bits: int = BITS,
) -> Iterator[Attempt]:
    """Try channels one after the other; a failure is an attempt with an error.

    Args:
        sender: The end that acts.
        receiver: The end that looks; another instance.
        seed: Of the messages.
        channels: Which to try.
        bits: Bits of a serial channel's payload.
    """
    word = f"{seed}/{sender.sandbox}"
    for channel in channels:
        for times in RETRY_FACTORS:
            one, two = (end._replace(lead_s=times * end.lead_s) for end in (sender, receiver))
            made = _attempt(channel, one, two, word, bits)
            if made.error is None or not made.error.endswith(_LATE):
                break
        yield made


def _attempt(channel: Channel, sender: End, receiver: End, seed: str, bits: int) -> Attempt:
    wanted = bits if channel.width == 1 else PARALLEL_SYMBOLS * channel.width
    sent = coding.message(channel, wanted, seed)
    levels = coding.levels(channel, sent)
    # Two ends with one clock need no search; what is late is wrong.
    slack = sender.doubt_s + receiver.doubt_s
    start = time.time() + max(sender.lead_s, receiver.lead_s) + slack
    margin = int(slack / channel.slot_s) + _MARGIN_SLOTS
    begins = start + receiver.ahead_s
    looking = (
        f"main(receive, {channel.name!r}, {begins - margin * channel.slot_s!r}, "
        f"{channel.slot_s!r}, {len(levels) + 2 * margin}, {channel.looks!r})"
    )
    acting = (
        f"main(send, {channel.name!r}, {start + sender.ahead_s!r}, {channel.slot_s!r}, {levels!r})"
    )
    made = Attempt(
        channel=channel.name,
        sender=sender.sandbox,
        receiver=receiver.sandbox,
        symbol_s=channel.symbol_s,
        rate=channel.rate,
    )
    load = Load()
    with ThreadPoolExecutor(2, thread_name_prefix="channel") as pool:
        limit = start - time.time() + (len(levels) + 2 * margin) * channel.slot_s + _GRACE_S
        ends = [
            pool.submit(_play, end, call, limit)
            for end, call in ((sender, acting), (receiver, looking))
        ]
        try:
            acted, seen = (end.result() for end in ends)
        except MeasurementError as error:
            return _with(made, error=str(error))
    for what, lines in ((sender, acted), (receiver, seen)):
        if lines and lines[0].startswith("closed "):
            why = lines[0].removeprefix("closed ")
            if why == "late":
                return _with(made, error=f"{what.sandbox} {_LATE}")
            return _with(made, closed=f"{what.sandbox}: {why}")
    looks = [coding.Look(*map(float, line.split())) for line in seen]
    found = coding.decode(channel, sent, looks, begins, slack)
    wrong = sum(a != b for a, b in zip(sent.payload, found.payload, strict=True))
    return _with(
        made,
        bits=len(sent.payload),
        wrong=wrong,
        busy=load.share(),
        offset_s=found.offset_s,
    )


def _play(end: End, call: str, timeout_s: float) -> list[str]:
    source = f"{inspect.getsource(agent)}\n{call}\n"
    done = end.instance.run([_INTERPRETER, "-I", "-S", "-c", source], timeout_s=timeout_s)
    lines = done.stdout.decode(errors="replace").splitlines()
    if done.exit_code or not lines:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        told = said[:1] if said and said[0].startswith("Fatal") else said[-1:]
        why = told[0] if told else f"exit status {done.exit_code}"
        raise MeasurementError(f"the channel's end in {end.sandbox} broke: {why}")
    return lines


def _with(attempt: Attempt, **changes: object) -> Attempt:
    import msgspec

    return msgspec.structs.replace(attempt, **changes)
