"""How often what is tried at random is tried: a few times, or as often as `scripts/fuzz` asks."""

from __future__ import annotations

import os
import random

_ASKED = os.environ.get("TARE_FUZZ_EXAMPLES")
#: Of every change the same: a check must not depend on luck.
DERANDOMIZED = _ASKED is None


def examples(usual: int) -> int:
    """Number of examples."""
    return usual if _ASKED is None else int(_ASKED)


def seed() -> int:
    """Seed of what is not hypothesis."""
    return 1 if DERANDOMIZED else random.getrandbits(32)
