"""Program that dies by SIGKILL after each step of making a network, and cleans up after itself.

    python killed_network.py ENGINE NAMESPACE

Prints a line of JSON for each step: its name, what was left behind, and what still is after
`remove`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.network import Network, inside, leftovers, links, nat, network, ports, remove

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = (
    (links, "make_bridge"),
    (network, "claim"),
    (links, "raise_bridge"),
    (nat, "make"),
    (ports, "make"),
    (links, "make_pair"),
    (ports, "pin"),
    (inside, "configure"),
    (links, "open_port"),
    (links, "remove_link"),
    (nat, "remove"),
)


def fatal(step: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **keywords: Any) -> None:
        step(*args, **keywords)
        os.kill(os.getpid(), signal.SIGKILL)

    return wrapper


def main(engine: str, namespace: Path) -> None:
    leftovers(engine)  # reads what is heavy once for all
    for module, name in STEPS:
        child = os.fork()
        if child == 0:
            setattr(module, name, fatal(getattr(module, name)))
            with Network(engine) as opened:
                opened.attach(namespace)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, name
        left = leftovers(engine)
        step = f"{module.__name__.rpartition('.')[2]}.{name}"
        line = {"step": step, "left": left, "removed": remove(engine), "after": leftovers(engine)}
        sys.stdout.write(json.dumps(line) + "\n")


main(sys.argv[1], Path(sys.argv[2]))
