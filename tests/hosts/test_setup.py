"""Setting up on a host that has other things installed: nothing of them goes."""

import re

import pytest

from tests.hosts.framework.machine import Machine

pytestmark = pytest.mark.host("every")

#: A host with Docker's own packages, as their metadata say it: they replace Debian's.
_DOCKER_CE = """
Package: containerd.io
Status: install ok installed
Priority: optional
Section: devel
Maintainer: Containerd team <help@containerd.io>
Architecture: amd64
Version: 2.1.5-1~debian.13~trixie
Provides: containerd, runc
Depends: libc6 (>= 2.34)
Conflicts: containerd, runc
Description: An open and reliable container runtime

Package: docker-ce
Status: install ok installed
Priority: optional
Section: admin
Maintainer: Docker <support@docker.com>
Architecture: amd64
Version: 5:29.1.1-1~debian.13~trixie
Depends: containerd.io (>= 1.7.27), libc6 (>= 2.34)
Conflicts: docker, docker.io
Description: Docker: the open-source application container engine

Package: busybox
Status: install ok installed
Priority: optional
Section: utils
Maintainer: Debian Install System Team <debian-boot@lists.debian.org>
Architecture: amd64
Version: 1:1.37.0-6+b3
Depends: libc6 (>= 2.34)
Conflicts: busybox-static
Description: Tiny utilities for small and embedded systems
"""


#: What they replace.
_REPLACED = ("busybox-static", "containerd", "docker.io", "runc")


def removed(simulation: str) -> list[str]:
    return re.findall(r"^Remv (\S+)", simulation, re.MULTILINE)


@pytest.mark.usefixtures("unchanged")
def test_a_host_that_is_set_up_is_left_alone(host: Machine) -> None:
    assert host.run("scripts/setup run").stdout == ""


def test_set_up_removes_nothing_beside_debians_docker(host: Machine) -> None:
    done = host.run("apt-get -s install --no-install-recommends $(scripts/setup packages)")
    assert removed(done.stdout) == []


def test_set_up_removes_nothing_beside_dockers_own_packages(host: Machine) -> None:
    """By a copy of dpkg's status that has those packages' metadata: nothing is installed for it."""
    status = host.run("cat /var/lib/dpkg/status").stdout
    others = [
        stanza
        for stanza in status.split("\n\n")
        if stanza.partition("\n")[0].removeprefix("Package: ") not in _REPLACED
    ]
    host.put("cat >/root/status", "\n\n".join((*others, _DOCKER_CE.strip(), "")).encode())
    done = host.run(
        "apt-get -s -o Dir::State::status=/root/status install --no-install-recommends "
        "$(scripts/setup packages)"
    )
    assert removed(done.stdout) == []
