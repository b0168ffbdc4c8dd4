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
#: What a bundle's own list ends with: the devices that OCI wants in every container have to work
#: whatever it says (config-linux.md, "Default Devices"); as in runc and crun, nodes may be made of
#: any device, which opens none.
OCI_DEVICES: tuple[DeviceRule, ...] = (
    DeviceRule(allow=True, type="b", access="m"),
    DeviceRule(allow=True, type="c", access="m"),
    *(
        DeviceRule(allow=True, type="c", major=major, minor=minor, access="rwm")
        for major, minor in (
            (1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, None),
        )
    ),
)  # fmt: skip


def with_default_devices(rules: tuple[DeviceRule, ...]) -> tuple[DeviceRule, ...]:
    """A bundle's list with what it has to end with; an empty one leaves devices alone."""
    return (*rules, *OCI_DEVICES) if rules else ()
