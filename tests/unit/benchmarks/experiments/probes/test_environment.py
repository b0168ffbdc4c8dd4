"""Who calls changes no verdict: variables of ordinary callers, and what a shell inside makes."""

from __future__ import annotations

import os
from typing import Any

import pytest

from benchmarks.experiments import probes
from benchmarks.experiments.probes import Verdict, machine_agent
from tests.unit.benchmarks.experiments.probes import world

ROOT = {"HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash"}
SYSTEM = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
LOGIN = SYSTEM | ROOT | {"LANG": "C.UTF-8", "TERM": "xterm-256color", "MAIL": "/var/mail/root"}
SESSION = {
    "XDG_RUNTIME_DIR": "/run/user/0",
    "XDG_SESSION_ID": "3",
    "XDG_SESSION_TYPE": "tty",
    "XDG_SESSION_CLASS": "user",
    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/0/bus",
}
SSH = {
    "SSH_CLIENT": "192.0.2.7 50022 22",
    "SSH_CONNECTION": "192.0.2.7 50022 192.0.2.1 22",
    "SSH_TTY": "/dev/pts/0",
}
SERVICE = SYSTEM | {
    "INVOCATION_ID": "0123456789abcdef0123456789abcdef",
    "JOURNAL_STREAM": "8:123456",
    "SYSTEMD_EXEC_PID": "4242",
    "NOTIFY_SOCKET": "/run/systemd/notify",
    "MEMORY_PRESSURE_WATCH": "/sys/fs/cgroup/system.slice/qemu-guest-agent.service/memory.pressure",
    "MEMORY_PRESSURE_WRITE": "c29tZSAyMDAwMDAgMjAwMDAwMAA=",
}
GITHUB = {
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "GITHUB_RUN_ID": "1234567890",
    "GITHUB_REPOSITORY": "someone/something",
    "GITHUB_WORKSPACE": "/home/runner/checkout/something",
    "RUNNER_OS": "Linux",
}
CALLERS: dict[str, dict[str, str]] = {
    "login shell": LOGIN | {"PWD": "/root", "SHLVL": "1", "_": "/usr/bin/env"},
    "login shell after cd": LOGIN | {"PWD": "/root/tare", "OLDPWD": "/root", "SHLVL": "1"},
    "nested shell": LOGIN | {"PWD": "/usr/share", "OLDPWD": "/usr/share/doc", "SHLVL": "3"},
    "su": LOGIN | {"PWD": "/home/someone"},
    "su -": LOGIN | {"PWD": "/root"},
    "sudo": LOGIN
    | {"SUDO_USER": "someone", "SUDO_UID": "1000", "SUDO_COMMAND": "/usr/bin/tare run quick"},
    "sudo -i": LOGIN | {"SUDO_USER": "someone", "PWD": "/root"},
    "ssh": LOGIN | SSH | SESSION,
    "ssh command": SYSTEM | ROOT | SSH | {"SHLVL": "0", "_": "/usr/local/bin/tare"},
    "ssh with agent": LOGIN | SSH | {"SSH_AUTH_SOCK": "/tmp/ssh-XXXXabcd/agent.4242"},
    "tmux": LOGIN | {"TMUX": "/tmp/tmux-0/default,4242,0", "TMUX_PANE": "%0", "TERM": "tmux"},
    "screen": LOGIN | {"STY": "4242.pts-0.host", "WINDOW": "0", "TERM": "screen"},
    "cron": {"PATH": "/usr/bin:/bin", "HOME": "/root", "LOGNAME": "root", "SHELL": "/bin/sh"},
    "at": LOGIN | {"OLDPWD": "/var/spool/cron/atjobs"},
    "systemd service": SERVICE,
    "systemd-run scope": LOGIN | SESSION | {"INVOCATION_ID": "fedcba9876543210fedcba9876543210"},
    "systemd timer": SERVICE | {"TRIGGER_UNIT": "tare.timer"},
    "GitHub": LOGIN | GITHUB,
    "GitHub under sudo": LOGIN | GITHUB | {"SUDO_USER": "runner"},
    "GitLab": SYSTEM | {"CI": "true", "GITLAB_CI": "true", "CI_JOB_ID": "123456789"},
    "Docker": SYSTEM | {"HOME": "/root", "HOSTNAME": "0123456789ab", "container": "podman"},
    "desktop": LOGIN | SESSION | {"DISPLAY": ":0", "XAUTHORITY": "/run/user/0/gdm/Xauthority"},
    "developer": LOGIN | {"EDITOR": "/usr/bin/vim", "LS_COLORS": "rs=0:di=01;34:ln=01;36"},
    "nothing": {},
}
INSIDE: dict[str, dict[str, str]] = {
    "container": SYSTEM | {"HOME": "/root", "TERM": "xterm"},
    "shell of a guest": LOGIN
    | {"PWD": "/root/tare", "OLDPWD": "/root", "SHLVL": "1", "_": "/bin/sh"},
    "service of a guest": SERVICE
    | {
        "INVOCATION_ID": "ffffffffffffffffffffffffffffffff",
        "JOURNAL_STREAM": "8:77777",
    },
    "image for CI": SYSTEM | {"CI": "true", "DEBIAN_FRONTEND": "noninteractive"},
}
"""What a sandbox may make for itself without inheriting anything."""


def read(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> dict[str, Any]:
    with monkeypatch.context() as patch:
        for name in list(os.environ):
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        return machine_agent.list_variables()


def verdicts(host: dict[str, Any], inside: dict[str, Any]) -> dict[str, probes.Verdict | None]:
    before = world.host()
    before.values["environment"] = host
    return world.verdicts(world.hardened() | {"environment": inside}, before=before)


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize("caller", CALLERS)
def test_no_verdict_hangs_on_who_calls(
    monkeypatch: pytest.MonkeyPatch, caller: str, inside: str
) -> None:
    sandbox = read(monkeypatch, INSIDE[inside])
    plain = verdicts({"variables": {}}, sandbox)
    assert plain["environment"] is Verdict.NAMESPACED
    assert verdicts(read(monkeypatch, CALLERS[caller]), sandbox) == plain


@pytest.mark.parametrize(
    ("caller", "told"),
    [
        ("ssh", "SSH_CLIENT, SSH_CONNECTION"),
        ("tmux", "TMUX"),
        ("systemd service", "INVOCATION_ID, JOURNAL_STREAM"),
        ("GitHub", "GITHUB_REPOSITORY, GITHUB_RUN_ID, GITHUB_WORKSPACE"),
        ("sudo", "SUDO_COMMAND"),
    ],
)
def test_an_inherited_environment_is_a_leak_named_by_its_variables(
    monkeypatch: pytest.MonkeyPatch, caller: str, told: str
) -> None:
    same = read(monkeypatch, CALLERS[caller])
    before = world.host()
    before.values["environment"] = same
    inside = world.hardened() | {"environment": same}
    found = probes.judge(world.examination(inside, before=before))
    environment = next(finding for finding in found if finding.probe == "environment")
    assert environment.verdict is Verdict.SHARED_LIVE
    assert told in environment.evidence


def test_a_value_of_one_s_own_under_the_same_name_is_no_leak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host, inside = ({"INVOCATION_ID": digit * 32} for digit in "ab")
    found = verdicts(read(monkeypatch, host), read(monkeypatch, inside))
    assert found["environment"] is Verdict.NAMESPACED
