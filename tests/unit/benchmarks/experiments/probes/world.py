"""A made-up host and a made-up container, as the agent would have read them."""

from __future__ import annotations

from typing import Any

from benchmarks.experiments import probes

Values = dict[str, dict[str, Any]]

MARKERS = {
    "process": "tare-mark-1",
    "segment": " 123457 ",
    "shared file": "tare-mark-1",
    "socket": "@tare-mark-1",
    "lock": ":4711 ",
    "open file lock": ":4712 ",
    "key": "tare-mark-1",
}
STATUS = (
    "CapInh:\t0\nCapEff:\t{caps}\nCapBnd:\t{caps}\nCapAmb:\t0\n"
    "NoNewPrivs:\t{nnp}\nSeccomp:\t{mode}\n"
)
ALL_CAPABILITIES = "000001ffffffffff"
ELEVEN = "00000000800405fb"
IDENTITY_MAP = "         0          0 4294967295\n"
OVERLAY = "90 80 0:50 / / rw - overlay overlay rw,lowerdir=/var/lib/images/1,upperdir=/var/up\n"
HOST_MAC = "3c:ec:ef:00:00:01"
ARP = (
    "IP address       HW type     Flags       HW address            Mask     Device\n"
    "192.0.2.1        0x1         0x2         {mac}     *        eth0\n"
)

_SEEN_BY_MARK = {
    "/proc": {"processes": {"1": "init", "9": "sh\0tare-mark-1"}},
    "/proc/sysvipc/shm": {"text": " 0 1 600 123457 9\n"},
    "/dev/shm": {"names": ["tare-mark-1"]},
    "/proc/self/net/unix": {"text": "000: 2 @tare-mark-1\n"},
    "/proc/keys": {"text": "1 user tare-mark-1: 1\n"},
    "/proc/locks": {"text": "1: FLOCK 08:01:4711 0 EOF\n2: OFDLCK 08:01:4712 0 EOF\n"},
}


def _host_reading(want: tuple[Any, ...], moved: int) -> dict[str, Any]:
    key, reader, *_ = want
    special: Values = {
        **_SEEN_BY_MARK,
        "uname": {"text": "6.1 #1", "node": "host"},
        "/proc/self/mountinfo": {"text": "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"},
        "/proc/self/uid_map": {"text": IDENTITY_MAP},
        "/proc/self/cgroup": {"text": "0::/system.slice/tare\n"},
        "/proc/self/status": {"text": STATUS.format(caps=ALL_CAPABILITIES, nnp=0, mode=0)},
        "/dev": {"devices": {"null": ["c", 1, 3, None], "sda": ["b", 8, 0, True]}},
        "/proc/self/fd": {"descriptors": {}},
        "/sys/class/net": {"names": ["enp3s0", "lo"]},
        "/proc/sys/kernel/random/boot_id": {"text": "boot-of-the-host"},
        "/proc/uptime": {"text": f"{5000 + moved}.5 {9000 + moved}.5"},
        "/proc/stat": {
            "text": f"cpu {70000 + moved} 3 0 0 0 0 0 {400 + moved} 0 0\n"
            f"ctxt {900000 + moved}\nbtime 1700000001"
        },
        "addresses": {"addresses": {"enp3s0": HOST_MAC}},
        "/proc/self/net/arp": {"text": ARP.format(mac="3c:ec:ef:00:00:09")},
        "environment": {"variables": {"PATH": 1, "SECRET": 2}},
        "tsc": {"text": "2000.0 MHz", "ticks": 10**12 + moved, "hertz": 2e9},
    }
    if key in special:
        return dict(special[key])
    if reader == "list":
        return {"names": ["first", "second"]}
    if reader == "link":
        return {"text": f"{key.rsplit('/', 1)[-1]}:[1001]"}
    return {"text": f"{key} holds 123456", "null": False}


def wants() -> list[tuple[Any, ...]]:
    common = [("/proc/self/ns/pid", "link")]
    return common + [want for probe in probes.PROBES for want in probe.wants]


def host(moved: int = 0) -> probes.Reading:
    values = {w[0]: _host_reading(w, moved) for w in wants() if w[1] != "open"}
    return probes.Reading(format=1, values=values)


def hardened() -> Values:
    """A container that keeps everything of the host from its workload."""
    values: Values = {w[0]: {"errno": "ENOENT"} for w in wants()}
    for want in wants():
        if want[1] == "link":
            values[want[0]] = {"text": "of:[2002]"}
        if want[1] == "open":
            values[want[0]] = {"errno": "EROFS"}
    return values | {
        "uname": {"text": "6.1 #1", "node": "inside"},
        "/proc": {"processes": {"1": "init"}},
        "/proc/self/mountinfo": {"text": "90 80 0:50 / / rw - overlay overlay rw\n"},
        "/proc/self/uid_map": {"text": "0 100000 65536\n"},
        "/proc/self/cgroup": {"text": "0::/\n"},
        "/proc/self/status": {"text": STATUS.format(caps=ELEVEN, nnp=1, mode=2)},
        "/dev": {"devices": {"null": ["c", 1, 3, None]}},
        "/proc/self/fd": {"descriptors": {}},
        "environment": {"variables": {"PATH": 1}},
        "addresses": {"addresses": {}},
        "/sys/class/net": {"names": ["lo"]},
        "/proc/sys/kernel/random/boot_id": {"errno": "EACCES"},
    }


def examination(inside: Values, **changes: Any) -> probes.Examination:
    values: dict[str, Any] = {
        "before": host(),
        "sandbox": probes.Reading(format=1, values=inside),
        "after": host(moved=2),
        "markers": MARKERS,
    }
    return probes.Examination(**(values | changes))


def verdicts(
    sandbox: Values, third: probes.Reading | None = None, **changes: Any
) -> dict[str, probes.Verdict | None]:
    found = probes.judge(examination(sandbox, **changes), third)
    return {finding.probe: finding.verdict for finding in found}
