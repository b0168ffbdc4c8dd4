"""Sort runs by the class of their host, and into epochs of one kernel and one image."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from benchmarks.host import host_class
from benchmarks.results.records import Unit
from reports.history.records import Epoch, Host
from reports.renderers import units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.history.kinds import Facts

_DIGITS = 6


def classes(facts: Sequence[Facts], of_runs: Sequence[int]) -> tuple[list[str], list[Host]]:
    """Return the class of each run's host, and the classes.

    Args:
        facts: What runs say of their hosts.
        of_runs: The place of each run's facts.
    """
    names: dict[int, str] = {}
    first: dict[str, Facts] = {}
    for place in dict.fromkeys(of_runs):
        one = facts[place]
        for name, known in first.items():
            if _same(known, one):
                names[place] = name
                break
        else:
            name = _name(one)
            while name in first:
                name += "+"
            first[name] = one
            names[place] = name
    found = [names[place] for place in of_runs]
    return found, [
        Host(name=name, title=_title(one), runs=found.count(name)) for name, one in first.items()
    ]


def _same(one: Facts, two: Facts) -> bool:
    found = host_class.differences({"identity": one.identity}, {"identity": two.identity})
    return not found.forbidding or (not one.identity and not two.identity)


def _name(facts: Facts) -> str:
    """Return a name that another host of the class would give, too."""
    kept = {key: said for key, said in facts.identity.items() if key != "memory_bytes"}
    text = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _title(facts: Facts) -> str:
    known = facts.identity
    if not known:
        return "hosts that are not described"
    memory = known.get("memory_bytes")
    parts = [
        f"{known.get('cpus') or 'unknown'} CPUs",
        str(known.get("cpu_model") or known.get("architecture") or "unknown CPU"),
        units.quantity(memory, Unit.BYTES) if isinstance(memory, int | float) else "",
        f"virtualised ({known.get('hypervisor') or 'unknown'})" if known.get("virtualised") else "",
    ]
    return ", ".join(part for part in parts if part)


def epochs(facts: Sequence[Facts], of_runs: Sequence[int], hosts: Sequence[str]) -> list[Epoch]:
    """Return where the kernel or the image is another than in the class's run before."""
    found = []
    before: dict[str, Facts] = {}
    for place, (which, host) in enumerate(zip(of_runs, hosts, strict=True)):
        one = facts[which]
        old = before.get(host)
        changed = () if old is None else tuple(differences(old.epoch, one.epoch))
        if old is None or changed:
            found.append(Epoch(host=host, first=place, changed=changed))
        before[host] = one
    return found


def differences(base: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Return what differs, a sentence each; what one was not asked, by an older tare, is equal."""
    return [
        f"{key}: {base[key]} became {new[key]}"
        for key in new
        if key in base and base[key] != new[key]
    ]
