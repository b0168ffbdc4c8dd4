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
Maintainer: Debian Install System Team <install@example.org>
Architecture: amd64
Version: 1:1.37.0-6+b3
Depends: libc6 (>= 2.34)
Conflicts: busybox-static
Description: Tiny utilities for small and embedded systems
"""


#: What they replace, and one package that set-up therefore has to install.
_ABSENT = ("busybox-static", "containerd", "docker.io", "runc", "erofs-utils")
_ADMIN = "/root/dpkg"
_PRETEND = f"DPKG_ADMINDIR={_ADMIN} APT_CONFIG={_ADMIN}/apt.conf TARE_BUILD={_ADMIN}"


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("level", ["run", "test"])
def test_a_host_that_is_set_up_is_left_alone(host: Machine, level: str) -> None:
    assert host.run(f"scripts/setup {level}").stdout == ""


@pytest.mark.parametrize("level", ["run", "peers", "test"])
def test_set_up_removes_nothing_beside_dockers_own_packages(host: Machine, level: str) -> None:
    """By a copy of dpkg's status that has those packages' metadata: nothing is installed for it."""
    status = host.run("cat /var/lib/dpkg/status").stdout
    others = [
        stanza
        for stanza in status.split("\n\n")
        if stanza.partition("\n")[0].removeprefix("Package: ") not in _ABSENT
    ]
    pretended = "\n\n".join((*others, _DOCKER_CE.strip(), ""))
    host.put(f"mkdir -p {_ADMIN} && cat >{_ADMIN}/status", pretended.encode())
    host.put(f"cat >{_ADMIN}/apt.conf", f'Dir::State::status "{_ADMIN}/status";\n'.encode())
    said = host.run(f"{_PRETEND} scripts/setup --dry-run {level}").stdout
    (planned,) = re.findall(r"would install \d+ packages and remove none: (.*)", said)
    assert "erofs-utils" in planned.split()
    assert {"busybox-static", "runc"}.isdisjoint(planned.split())


@pytest.mark.usefixtures("unchanged")
def test_what_set_up_installs_removes_nothing_of_debians(host: Machine) -> None:
    simulated = host.run("apt-get -s install --no-install-recommends $(scripts/setup packages)")
    assert re.findall(r"^Remv (\S+)", simulated.stdout, re.MULTILINE) == []
