"""A document with every field that this runtime acts upon."""

from __future__ import annotations

import copy
from typing import Any

_FULL: dict[str, Any] = {
    "ociVersion": "1.2.1",
    "process": {
        "terminal": True,
        "consoleSize": {"height": 24, "width": 80},
        "user": {"uid": 1, "gid": 2, "umask": 63, "additionalGids": [5, 6]},
        "args": ["/bin/sh", "-c", "true"],
        "env": ["PATH=/bin", "EMPTY=", "EQUALS=a=b"],
        "cwd": "/tmp",
        "capabilities": {
            "bounding": ["CAP_CHOWN", "CAP_KILL"],
            "effective": ["CAP_KILL"],
            "permitted": ["CAP_CHOWN", "CAP_KILL"],
            "inheritable": ["CAP_KILL"],
            "ambient": ["CAP_KILL"],
        },
        "noNewPrivileges": True,
        "rlimits": [
            {"type": "RLIMIT_NOFILE", "soft": 64, "hard": 18446744073709551615},
            {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        ],
        "oomScoreAdj": 10,
        "scheduler": {
            "policy": "SCHED_BATCH",
            "nice": 5,
            "flags": ["SCHED_FLAG_RESET_ON_FORK"],
        },
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 7},
        "execCPUAffinity": {"initial": "0", "final": "0-3,7"},
    },
    "root": {"path": "rootfs", "readonly": True},
    "hostname": "box",
    "domainname": "example.test",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
        },
        {
            "destination": "/data",
            "type": "bind",
            "source": "/srv/data",
            "options": ["rbind", "rro", "rslave", "ridmap"],
            "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
            "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
        },
        {"destination": "/copy", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]},
    ],
    "hooks": {
        "prestart": [{"path": "/bin/a", "args": ["a", "b"], "env": ["A=1"], "timeout": 3}],
        "createRuntime": [{"path": "/bin/b"}],
        "createContainer": [{"path": "/bin/c"}],
        "startContainer": [{"path": "/bin/d"}],
        "poststart": [{"path": "/bin/e"}],
        "poststop": [{"path": "/bin/f"}, {"path": "/bin/g"}],
    },
    "annotations": {"com.example.a": "b"},
    "linux": {
        "namespaces": [
            {"type": "pid"},
            {"type": "network", "path": "/run/netns/a"},
            {"type": "ipc"},
            {"type": "uts"},
            {"type": "mount"},
            {"type": "user"},
            {"type": "cgroup"},
            {"type": "time"},
        ],
        "uidMappings": [
            {"containerID": 0, "hostID": 1000, "size": 1},
            {"containerID": 1, "hostID": 100000, "size": 65536},
        ],
        "gidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
        "timeOffsets": {
            "monotonic": {"secs": -2, "nanosecs": 500000000},
            "boottime": {"secs": 7, "nanosecs": 0},
        },
        "devices": [
            {
                "path": "/dev/null",
                "type": "c",
                "major": 1,
                "minor": 3,
                "fileMode": 384,
                "uid": 1,
                "gid": 2,
            }
        ],
        "cgroupsPath": "/a/b",
        "resources": {
            "devices": [
                {"allow": False, "access": "rwm"},
                {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"},
            ],
            "memory": {"limit": 1000000, "swap": 1500000, "reservation": 500000},
            "cpu": {
                "shares": 512,
                "quota": 50000,
                "period": 100000,
                "burst": 1000,
                "cpus": "0-1",
                "mems": "0",
                "idle": 0,
            },
            "pids": {"limit": 7},
            "blockIO": {
                "weight": 500,
                "weightDevice": [{"major": 8, "minor": 0, "weight": 1000}],
                "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1}],
                "throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 2}],
                "throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 3}],
                "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 4}],
            },
            "hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}],
            "unified": {"memory.high": "900000"},
        },
        "sysctl": {"net.ipv4.ip_forward": "1", "kernel.shmmax": "4096"},
        "seccomp": {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64"],
            "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "syscalls": [
                {
                    "names": ["read", "write"],
                    "action": "SCMP_ACT_ALLOW",
                    "args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}],
                }
            ],
        },
        "rootfsPropagation": "slave",
        "maskedPaths": ["/proc/kcore"],
        "readonlyPaths": ["/proc/sys"],
        "personality": {"domain": "LINUX32"},
    },
}


def full() -> dict[str, Any]:
    """A fresh copy, to be changed at will."""
    return copy.deepcopy(_FULL)
