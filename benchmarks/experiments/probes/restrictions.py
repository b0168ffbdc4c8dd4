"""What an ordinary host forbids on its own account: LSMs, lockdown, sysctls, hidepid.

A probe that was refused says by what, where that can be read: the sandbox does not deserve the
credit for a setting of the host's. Sources: Documentation/admin-guide/sysctl/kernel.rst,
kernel_lockdown(7), proc(5) for hidepid, apparmor(7) and selinux(8) for /proc/PID/attr/current.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.experiments.probes.model import Want


class _Setting(NamedTuple):
    """A sysctl that forbids something from 1 on, and the probes and controls it concerns."""

    path: str
    subjects: frozenset[str]

    @property
    def name(self) -> str:
        """Return it as sysctl(8) writes it."""
        return self.path.removeprefix("/proc/sys/").replace("/", ".")


_MODULES = frozenset({"init_module", "finit_module", "delete_module"})
_KEXEC = frozenset({"kexec_load", "kexec_file_load"})
_SETTINGS = (
    _Setting("/proc/sys/kernel/dmesg_restrict", frozenset({"kmsg", "syslog"})),
    _Setting("/proc/sys/kernel/kptr_restrict", frozenset({"kallsyms", "modules", "timer-list"})),
    _Setting("/proc/sys/kernel/perf_event_paranoid", frozenset({"perf_event_open"})),
    _Setting("/proc/sys/kernel/unprivileged_bpf_disabled", frozenset({"bpf"})),
    _Setting("/proc/sys/kernel/io_uring_disabled", frozenset({"io_uring_setup"})),
    _Setting("/proc/sys/kernel/kexec_load_disabled", _KEXEC),
    _Setting("/proc/sys/kernel/modules_disabled", _MODULES),
    _Setting(
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        frozenset({"unshare-user", "clone-user"}),
    ),
)
_LOCKDOWN = "/sys/kernel/security/lockdown"
_LOCKED = {
    "integrity": _KEXEC | _MODULES | {"iopl", "devices"},
    "confidentiality": _KEXEC | _MODULES | {"iopl", "devices", "kcore", "bpf", "perf_event_open"},
}
_LABEL = "/proc/self/attr/current"
_MOUNTS = "/proc/self/mountinfo"

WANTS: tuple[Want, ...] = tuple(
    (path, "file", path) for path in (*(one.path for one in _SETTINGS), _LOCKDOWN, _LABEL)
)


def reasons(subject: str, values: Mapping[str, Mapping[str, Any]]) -> str:
    """Name what may have refused a probe or control, as one side reads the settings.

    Returns:
        Words to put behind the evidence, empty where nothing is known to forbid it.
    """
    return "".join(f"; {reason}" for reason in _reasons(subject, values))


def _reasons(subject: str, values: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    def text(key: str) -> str:
        return str(values.get(key, {}).get("text", "")).strip("\0\n ")

    for setting in _SETTINGS:
        said = text(setting.path)
        if subject in setting.subjects and said.isdecimal() and int(said):
            yield f"{setting.name} is {said}"
    active = re.search(r"\[(\w+)\]", text(_LOCKDOWN))
    if active and subject in _LOCKED.get(active[1], ()):
        yield f"the kernel is locked down ({active[1]})"
    hidden = re.search(r"^.* /proc \S.* - proc .*\bhidepid=(\w+)", text(_MOUNTS), re.MULTILINE)
    if subject == "processes" and hidden and hidden[1] not in {"0", "off"}:
        yield f"/proc is mounted with hidepid={hidden[1]}"
    label = text(_LABEL)
    if label and "unconfined" not in label and label != "kernel":
        yield f"confined by {'SELinux' if label.count(':') > 1 else 'AppArmor'} as {label}"
