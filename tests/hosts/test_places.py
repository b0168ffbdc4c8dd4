"""From where a user starts tare: each place on its own, and the host as it was afterwards."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.hosts.framework import campaigns
from tests.hosts.framework.campaigns import OUT, TARE
from tests.hosts.framework.machine import SOURCE, Machine

_ADD = """
mkdir /root/accounts
for name in passwd group shadow gshadow subuid subgid; do
    cp -a /etc/$name /root/accounts/
    if [ -e /etc/$name- ]; then cp -a /etc/$name- /root/accounts/; fi
done
useradd --create-home --shell /bin/bash somebody
echo 'somebody ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/somebody
"""
_REMOVE = """
userdel --remove somebody
rm /etc/sudoers.d/somebody
for name in passwd group shadow gshadow subuid subgid; do
    rm -f /etc/$name-
done
cp -a /root/accounts/* /etc/
rm -r /root/accounts
"""

_ROOT = "/var/lib/containers/root-of-a-job"
_SKELETON = """
mkdir -p boot dev etc proc root run sys tmp usr var/tmp &&
ln -s usr/bin usr/sbin usr/lib usr/lib64 .
"""

pytestmark = pytest.mark.usefixtures("unchanged")

_BOTH = ("native", "container")
_MEASURED = dict.fromkeys(_BOTH, "measured")


@contextmanager
def _user(host: Machine) -> Iterator[None]:
    """A user who may use sudo, for as long as the context is open."""
    host.run(_ADD)
    try:
        yield
    finally:
        host.run(_REMOVE)


@pytest.fixture(scope="module")
def campaign(host: Machine) -> str:
    return campaigns.write(host, "short", _BOTH, ("startup",))


def _run(campaign: str, name: str) -> str:
    return f"{SOURCE}/{TARE} run {campaign} --no-report --out {OUT}/{name}"


def test_from_a_login_of_its_own(host: Machine, campaign: str) -> None:
    host.run(_run(campaign, "login"), shared=False)
    assert campaigns.had(campaigns.load(host, "login")) == _MEASURED


def test_from_a_service(host: Machine, campaign: str) -> None:
    """As a CI runner's job: a shell script in a unit of which nobody delegated anything."""
    script = f"#!/bin/sh\n{_run(campaign, 'service')}\n"
    host.put(f"cat >{OUT}/job && chmod +x {OUT}/job", script.encode())
    host.run(f"systemd-run --wait --pipe --quiet --collect --unit=job {OUT}/job")
    assert campaigns.had(campaigns.load(host, "service")) == _MEASURED


def test_in_a_delegated_scope(host: Machine, campaign: str) -> None:
    scope = "systemd-run --scope --quiet -p Delegate=yes"
    host.run(f"{scope} {_run(campaign, 'scope')}")
    assert campaigns.had(campaigns.load(host, "scope")) == _MEASURED


def test_by_sudo_of_another_user_from_another_folder(host: Machine, campaign: str) -> None:
    command = f"cd /var/tmp && cd /tmp && sudo {_run(campaign, 'sudo')}"
    with _user(host):
        host.run(f"su - somebody -c {shlex.quote(command)}")
    assert campaigns.had(campaigns.load(host, "sudo")) == _MEASURED


def test_after_su(host: Machine, campaign: str) -> None:
    host.run(f"su - root -c {shlex.quote(_run(campaign, 'su'))} </dev/null")
    assert campaigns.had(campaigns.load(host, "su")) == _MEASURED


def test_from_cron(host: Machine, campaign: str) -> None:
    """Cron gives a PATH without sbin, no terminal, and no session of a login."""
    cron = "env -i HOME=/root LOGNAME=root SHELL=/bin/sh PATH=/usr/bin:/bin"
    unit = "systemd-run --wait --pipe --quiet --collect -p KillMode=process"
    host.run(f"{unit} {cron} /bin/sh -c {shlex.quote(_run(campaign, 'cron'))}")
    assert campaigns.had(campaigns.load(host, "cron")) == _MEASURED


def test_from_a_terminal_that_outlives_its_login(host: Machine, campaign: str) -> None:
    """As tmux: a daemon of an earlier session, with a terminal of its own."""
    inner = _run(campaign, "tmux")
    host.run(f"setsid --wait script --quiet --return --command {shlex.quote(inner)} /dev/null")
    assert campaigns.had(campaigns.load(host, "tmux")) == _MEASURED


def test_without_a_network(host: Machine, campaign: str) -> None:
    host.run(f"unshare --net {_run(campaign, 'offline')}")
    assert campaigns.had(campaigns.load(host, "offline")) == _MEASURED


def test_where_tmp_may_execute_nothing(host: Machine, campaign: str) -> None:
    mounted = "mount -t tmpfs -o noexec,nosuid,nodev tmpfs /tmp"
    command = f"mount --make-rslave / && {mounted} && {_run(campaign, 'noexec')}"
    host.run(f"unshare --mount sh -c {shlex.quote(command)}")
    assert campaigns.had(campaigns.load(host, "noexec")) == _MEASURED


def test_an_ordinary_user_is_told_in_one_sentence(host: Machine) -> None:
    """Who may not read the checkout and has no group of his own: no traceback, and why."""
    command = f"{SOURCE}/{TARE} run smoke --no-report --out /tmp/run-of-somebody"
    with _user(host):
        host.run("chmod a+x /root /root/src && chmod -R a+rX /root/src/.venv /root/.cache")
        done = host.run(f"su - somebody -c {shlex.quote(command)}", check=False)
        host.run("chmod go-rwx /root")
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 1, 4}, done.stderr


@pytest.mark.usefixtures("podman")
@pytest.mark.parametrize("manager", ["cgroupfs", "systemd"])
def test_in_a_privileged_container(host: Machine, campaign: str, manager: str) -> None:
    """As CI systems give a job a container; its programs are the host's own."""
    host.run(f"rm -rf {_ROOT} && mkdir -p {_ROOT} && cd {_ROOT} && {_SKELETON}")
    engine = f"podman --cgroup-manager={manager} run --rm --privileged --network=none"
    shared = " ".join(f"--volume {path}:{path}" for path in ("/boot", "/etc", "/root", "/usr"))
    where = f"{shared} --tmpfs /tmp --tmpfs /run --workdir {SOURCE} --rootfs {_ROOT}"
    try:
        host.run(f"{engine} {where} {_run(campaign, f'privileged-{manager}')}")
        had = campaigns.had(campaigns.load(host, f"privileged-{manager}"))
        assert had == _MEASURED
    finally:
        host.run(f"rm -rf --one-file-system {_ROOT}")
