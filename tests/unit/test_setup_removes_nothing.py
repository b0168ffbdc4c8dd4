"""The set-up beside what a host already has, with a stand-in apt-get that says what apt said once.

The recorded answers are those of apt 3.0 on a host with Docker's own containerd.io, of both of its
solvers: the one of today's stable distributions and the one that follows it.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "tests" / "data" / "apt"
SOLVERS = ("internal", "3.0")

APT_GET = f"""#!/bin/bash
echo "$*" >>"$CALLS"
[[ $* != *" update"* ]] || exit 0
case " $* " in
  *" $CONFLICTING "*) cat "$CONFLICT"; exit 100 ;;
  *--simulate*) cat "{RECORDED}/no-conflict-solver-$SOLVER.txt" ;;
  *) echo 'E: the test installs nothing'; exit 100 ;;
esac
"""
#: Installed is what $INSTALLED names.
DPKG_QUERY = """#!/bin/bash
[[ " $INSTALLED " == *" ${!#} "* ]] && echo installed
"""
PROGRAMS = ("awk", "bash", "cat", "cut", "dirname", "env", "grep", "head", "id", "mkdir", "printf",
            "rm", "sed", "sha256sum", "sort", "tail", "uname")  # fmt: skip


class Host:
    """A host whose package manager is a stand-in."""

    def __init__(self, folder: Path, solver: str) -> None:
        self.folder, self.solver = folder, solver
        self.calls = folder / "calls"
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in PROGRAMS:
            (self.bin / name).symlink_to(f"/usr/bin/{name}")
        for name, text in (
            ("apt-get", APT_GET),
            ("dpkg-query", DPKG_QUERY),
            ("dpkg", "#!/bin/bash\necho amd64\n"),
            ("getent", "#!/bin/bash\nexit 0\n"),
        ):
            self.program(name, text)
        (folder / "os-release").write_text("ID=debian\nVERSION_ID=13\n")
        self._have_venv(folder / "venv")

    def _have_venv(self, folder: Path) -> None:
        """Pose as a virtual environment, whose pip has nothing to do."""
        (folder / "bin").mkdir(parents=True)
        for name in ("tare", "python", "pip"):
            (folder / "bin" / name).write_text("#!/bin/sh\n")
            (folder / "bin" / name).chmod(0o755)

    def program(self, name: str, text: str = "#!/bin/sh\n") -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def setup(
        self, *arguments: str, conflicting: str = "runc", installed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        self.calls.write_text("")
        return subprocess.run(
            [ROOT / "scripts" / "setup", *arguments],
            env={
                "PATH": str(self.bin),
                "CALLS": str(self.calls),
                "CONFLICTING": conflicting,
                "CONFLICT": str(RECORDED / f"containerd-conflict-solver-{self.solver}.txt"),
                "INSTALLED": installed,
                "SOLVER": self.solver,
                "CC": "cc",
                "TARE_OS_RELEASE": str(self.folder / "os-release"),
                "TARE_VENV": str(self.folder / "venv"),
                "TARE_BUILD": str(self.folder / "build"),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def installs(self) -> list[str]:
        return [line for line in self.calls.read_text().splitlines() if " install " in f"{line} "]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path, "internal")


@pytest.fixture(params=SOLVERS)
def either_host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return Host(tmp_path, request.param)


def test_every_call_that_installs_removes_nothing(host: Host) -> None:
    for level in ("run", "peers", "test"):
        host.setup("--dry-run", level)
        assert host.installs()
        assert all("--no-remove" in call for call in host.installs())
    if os.geteuid() == 0:
        host.setup("run")
        real = [call for call in host.installs() if "--simulate" not in call]
        assert len(real) == 1
        assert "--no-remove" in real[0]


def test_the_peers_are_not_asked_for_by_a_run(host: Host) -> None:
    host.setup("--dry-run", "run")
    asked = set(host.calls.read_text().split())
    assert "mmdebstrap" in asked
    assert not asked & {"runc", "crun", "bubblewrap", "systemd-container", "busybox-static"}


def test_a_peer_that_conflicts_is_left_out_and_said(either_host: Host) -> None:
    done = either_host.setup("--dry-run", "peers")
    assert done.returncode == 0, done.stderr
    left = [line for line in done.stdout.splitlines() if "left out" in line]
    assert len(left) == 1
    assert left[0].startswith("set-up: runc is left out: ")
    assert "containerd.io" in left[0]
    assert "remove none" in done.stdout


def test_what_is_needed_and_conflicts_ends_in_one_sentence(either_host: Host) -> None:
    done = either_host.setup("--dry-run", "run", conflicting="libvirt-dev")
    assert done.returncode == 1
    assert done.stderr.startswith("set-up: libvirt-dev cannot be installed beside what this host")
    assert "containerd.io" in done.stderr
    assert "install it in another way" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="installing needs root")
def test_a_conflict_is_found_before_anything_is_installed(host: Host) -> None:
    done = host.setup("run", conflicting="libvirt-dev")
    assert done.returncode == 1
    assert [call for call in host.installs() if "--simulate" not in call] == []


def test_a_dry_run_names_what_apt_would_install(either_host: Host) -> None:
    done = either_host.setup("--dry-run", "run")
    assert done.stdout.splitlines()[0] == (
        "set-up: would install 2 packages and remove none: bubblewrap crun"
    )
    assert not any(" update" in call for call in either_host.calls.read_text().splitlines())


@pytest.mark.parametrize(
    ("program", "package"),
    [
        ("runc", "runc"),
        ("busybox", "busybox-static"),
        ("bwrap", "bubblewrap"),
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("cc", "gcc-14"),
    ],
)
def test_a_program_the_host_has_is_taken_wherever_it_came_from(
    host: Host, program: str, package: str
) -> None:
    host.setup("--dry-run", "test", conflicting="none")
    assert package in host.calls.read_text().split()
    host.program(program)
    host.setup("--dry-run", "test", conflicting="none")
    assert package not in host.calls.read_text().split()


@pytest.mark.skipif(os.geteuid() != 0, reason="installing needs root")
def test_what_was_left_out_is_not_tried_again_by_every_make(either_host: Host) -> None:
    lines = (ROOT / "ansible/roles/tare_host/files/packages.txt").read_text().splitlines()
    listed = [words for line in lines if (words := line.partition("#")[0].split())]
    there = " ".join(words[0] for words in listed if "peers" not in words)
    first = either_host.setup("test", installed=f"{there} crun bubblewrap systemd-container")
    assert "runc is left out" in first.stdout
    second = either_host.setup("test", installed=f"{there} crun bubblewrap systemd-container")
    assert "left out" not in second.stdout
    assert either_host.calls.read_text() == ""
    again = either_host.setup("peers", installed=f"{there} crun bubblewrap systemd-container")
    assert "runc is left out" in again.stdout


def test_an_unknown_package_is_said_to_be_one(tmp_path: Path) -> None:
    host = Host(tmp_path, "internal")
    host.program(
        "apt-get", "#!/bin/sh\necho 'E: Unable to locate package libvirt-dev' >&2\nexit 100\n"
    )
    done = host.setup("--dry-run", "run")
    assert "no package source of this host has it" in done.stderr


def test_proxies_that_sudo_dropped_are_kept(tmp_path: Path) -> None:
    host = Host(tmp_path, "internal")
    host.program("apt-get", '#!/bin/bash\necho "$http_proxy $https_proxy $SECRET" >>"$CALLS"\n')
    # the kernel names a process after the file it was started from
    host.program("sudo", '#!/bin/bash\nenv -u http_proxy -u SECRET SUDO_UID=1000 "$@"\ntrue\n')
    host.calls.write_text("")
    environment = {
        "PATH": str(host.bin),
        "CC": "cc",
        "CALLS": str(host.calls),
        "TARE_OS_RELEASE": str(host.folder / "os-release"),
        "TARE_VENV": str(host.folder / "venv"),
        "http_proxy": "http://proxy.example:3128",
        "https_proxy": "http://told.example:1",
        "SECRET": "kept to itself",
    }
    subprocess.run(
        [host.bin / "sudo", ROOT / "scripts" / "setup", "--dry-run", "run"],
        env=environment, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    told = {line.strip() for line in host.calls.read_text().splitlines()}
    assert told == {"http://proxy.example:3128 http://told.example:1"}
