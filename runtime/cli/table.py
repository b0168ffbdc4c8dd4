"""A table of the options and operands of each verb, by runc's and crun's names.

Options that take a value end with "="; the letter behind one stands for it.
"""

from __future__ import annotations

_HELP = {"help": "h"}
GLOBAL = {
    "root=": "", "log=": "", "log-format=": "", "log-level=": "", "debug": "",
    "systemd-cgroup": "s", "cgroup-manager=": "", "rootless=": "", "criu=": "", "version": "v",
    **_HELP,
}  # fmt: skip
_CREATE = {
    "bundle=": "b", "config=": "f", "console-socket=": "", "pidfd-socket=": "", "pid-file=": "",
    "no-pivot": "", "no-new-keyring": "", "no-subreaper": "", "preserve-fds=": "", "detach": "d",
    **_HELP,
}  # fmt: skip
_CHECKPOINT = {
    **dict.fromkeys(
        (
            "image-path=", "work-path=", "parent-path=", "leave-running", "tcp-established",
            "ext-unix-sk", "shell-job", "file-locks", "pre-dump", "lazy-pages", "page-server=",
            "manage-cgroups-mode=", "empty-ns=", "status-fd=", "auto-dedup",
        ),
        "",
    ),
    **_HELP,
}  # fmt: skip
VERBS: dict[str, dict[str, str]] = {
    "create": _CREATE,
    "run": {**_CREATE, "keep": ""},
    "start": _HELP,
    "state": _HELP,
    "kill": {"all": "a", "regex": "r", **_HELP},
    "delete": {"force": "f", "regex": "r", **_HELP},
    "exec": {
        "console-socket=": "", "pidfd-socket=": "", "cwd=": "", "env=": "e", "tty": "t",
        "user=": "u", "additional-gids=": "g", "process=": "p", "detach": "d", "pid-file=": "",
        "process-label=": "", "apparmor=": "", "no-new-privs": "", "cap=": "c",
        "preserve-fds=": "", "cgroup=": "", "ignore-paused": "", "no-subreaper": "", **_HELP,
    },
    "list": {"format=": "f", "quiet": "q", **_HELP},
    "ps": {"format=": "f", **_HELP},
    "pause": _HELP,
    "resume": _HELP,
    "update": {
        "resources=": "r", "blkio-weight=": "", "cpu-period=": "", "cpu-quota=": "",
        "cpu-burst=": "", "cpu-share=": "", "cpu-idle=": "", "cpu-rt-period=": "",
        "cpu-rt-runtime=": "", "cpuset-cpus=": "", "cpuset-mems=": "", "kernel-memory=": "",
        "kernel-memory-tcp=": "", "memory=": "", "memory-reservation=": "", "memory-swap=": "",
        "pids-limit=": "", "l3-cache-schema=": "", "mem-bw-schema=": "", **_HELP,
    },
    "events": {"stats": "", "interval=": "", **_HELP},
    "features": _HELP,
    "spec": {"bundle=": "b", "rootless": "", "file=": "f", **_HELP},
    "checkpoint": _CHECKPOINT,
    "restore": {**_CREATE, **_CHECKPOINT},
}  # fmt: skip
#: Options that add up instead of the last one winning.
REPEATED = ("env", "cap", "additional-gids")
#: Verbs whose words after the container are somebody else's: the program's, those of ps(1).
PASS_ON = ("exec", "ps")
_ANY = 1 << 30
#: How many operands a verb takes, at least and at most, and in words; one container where it is not
#: here.
OPERANDS = {
    "list": (0, 0, "no operand"),
    "features": (0, 0, "no operand"),
    "spec": (0, 0, "no operand"),
    "exec": (1, _ANY, "the name of a container and a program"),
    "ps": (1, _ANY, "the name of a container"),
    "kill": (1, 2, "the name of a container and a signal"),
}
