"""Make a distribution's own system into a guest of the driver's, by the distribution's own means.

Nothing of its boot is replaced: its initrd comes from its initramfs-tools (initramfs-tools(7)), its
init is systemd, and our agent is a service among others. Two scripts are added to the initrd: one
says that it runs, which is the boundary "init", and one stacks the same writable RAM overlay on the
image that every other guest has.
"""

import hashlib
import platform
from importlib import resources
from pathlib import Path

from vmdriver import architecture
from vmdriver.guest import relay

PACKAGES = ("systemd-sysv", "udev", "dbus", "initramfs-tools", "zstd")
"""What the agent's service and the initrd need, in a distribution's base system or beside it."""

AGENT = "usr/lib/tare/agent.sh"
RELAY = "usr/lib/tare/relay"

_SERVICE = """\
[Unit]
Description=What tare runs in this guest
After=network.target

[Service]
ExecStart=/usr/bin/busybox sh /usr/lib/tare/agent.sh
StandardInput=null
StandardOutput=tty
TTYPath=/dev/console
# The agent ends its payload itself and then asks systemd to power off.
KillSignal=SIGKILL

[Install]
WantedBy=multi-user.target
"""
_SAY = """\
#!/bin/sh
[ "$1" = prereqs ] && exit 0
echo 'tare: init' > /dev/console
"""
_OVERLAY = """\
#!/bin/sh
[ "$1" = prereqs ] && exit 0
fail() { echo "tare: fail: $*" > /dev/console; exec poweroff -f; }
mkdir /tare && mount -t tmpfs tare /tare || fail 'cannot mount a tmpfs'
mkdir /tare/image /tare/upper /tare/work
mount -n -o move "$rootmnt" /tare/image || fail 'cannot move the image'
mount -t overlay -o lowerdir=/tare/image,upperdir=/tare/upper,workdir=/tare/work overlay \\
    "$rootmnt" || fail 'cannot mount the overlay of the image'
"""
_EXECUTABLE = 0o755
_PLAIN = 0o644
_WANTS = "etc/systemd/system/multi-user.target.wants"


def key() -> str:
    """SHA-256 over what `prepare` adds and how, in hex."""
    package = resources.files("vmdriver.guest")
    files = [package.joinpath(name) for name in ("agent.sh", "relay.py", "distribution.py")]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def prepare(root: Path, machine_id: str) -> None:
    """Add the agent, its service and the initrd's scripts to a tree.

    Args:
        root: a distribution's base system with `PACKAGES` and a static busybox, whose programs
            the host runs.
        machine_id: 32 hex digits: the guest has been booted before, so to speak (machine-id(5)).

    Raises:
        OSError: the tree lacks something or cannot be written.
    """
    program = root / RELAY
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_bytes(relay.program(architecture.of(platform.machine())))
    program.chmod(_EXECUTABLE)
    agent = resources.files("vmdriver.guest").joinpath("agent.sh").read_text()
    files = {
        AGENT: (agent, _PLAIN),
        "etc/systemd/system/tare.service": (_SERVICE, _PLAIN),
        "etc/initramfs-tools/scripts/init-top/tare": (_SAY, _EXECUTABLE),
        "etc/initramfs-tools/scripts/init-bottom/tare": (_OVERLAY, _EXECUTABLE),
        "etc/initramfs-tools/modules": ("erofs\noverlay\n", _PLAIN),
        "etc/machine-id": (f"{machine_id}\n", _PLAIN),
    }
    for name, (text, mode) in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
    wants = root / _WANTS
    wants.mkdir(parents=True, exist_ok=True)
    (wants / "tare.service").symlink_to("../tare.service")
