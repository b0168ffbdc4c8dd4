"""Numbers of system calls, also of those that are newer than this host's libseccomp.

Calls made since Linux 5.1 have the same number on every architecture that containers run on.
Source: scripts/syscall.tbl of the kernel.
"""

from __future__ import annotations

import os
from functools import cache

from runtime.seccomp import library

#: Newest call that the authors of our profiles knew and judged (file_setattr, Linux 6.17).
NEWEST = 469
_RECENT = {
    "set_mempolicy_home_node": 450,
    "cachestat": 451,
    "fchmodat2": 452,
    "map_shadow_stack": 453,
    "futex_wake": 454,
    "futex_wait": 455,
    "futex_requeue": 456,
    "statmount": 457,
    "listmount": 458,
    "lsm_get_self_attr": 459,
    "lsm_set_self_attr": 460,
    "lsm_list_modules": 461,
    "mseal": 462,
    "setxattrat": 463,
    "getxattrat": 464,
    "listxattrat": 465,
    "removexattrat": 466,
    "open_tree_attr": 467,
    "file_getattr": 468,
    "file_setattr": 469,
}
if os.uname().machine == "x86_64":
    _RECENT["uretprobe"] = 335  # Linux 6.11, here only
_NAMES = {number: name for name, number in _RECENT.items()}


@cache
def number_of(name: str) -> int | None:
    """Number of a call; negative where only other architectures have it, None where unknown."""
    number = library.call_number(name)
    return _RECENT.get(name) if number is None else number


@cache
def name_of(number: int) -> str | None:
    """Name of one of the machine's own calls, None where there is no such call."""
    return library.call_name(number) or _NAMES.get(number)
