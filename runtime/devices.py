"""The devices that a container is allowed by default."""

from __future__ import annotations

from runtime.spec import DeviceRule

#: Opening what every program expects and nothing of the host's: null, zero, full, random, urandom,
#: tty, ptmx and the terminals of a devpts of its own (Documentation/admin-guide/devices.txt).
#:
#: Making nodes is refused for all of them, which programs do not need: the nodes stand in /dev. In
#: a user namespace other than the host's the kernel refuses mknod(2) of a device in any case.
DEFAULT_DEVICES: tuple[DeviceRule, ...] = (
    DeviceRule(allow=False),
    *(
        DeviceRule(allow=True, type="c", major=major, minor=minor, access="rw")
        for major, minor in (
            (1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (136, None),
        )
    ),
)  # fmt: skip
