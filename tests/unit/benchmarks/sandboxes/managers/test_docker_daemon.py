"""Docker's daemon: which one is taken, and what is said to it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from benchmarks.errors import MeasurementError
from benchmarks.sandboxes.managers import docker_daemon


def test_the_address_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/mine.sock")
    assert docker_daemon.address("docker") == "unix:///run/mine.sock"
    monkeypatch.delenv("DOCKER_HOST")
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\necho unix:///run/of-the-context.sock\n")
    program.chmod(0o755)
    assert docker_daemon.address(str(program)) == "unix:///run/of-the-context.sock"


def test_a_command_that_does_not_say_is_an_error_of_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    with pytest.raises(MeasurementError, match="does not say where its daemon is"):
        docker_daemon.address(str(tmp_path / "docker"))
    program = tmp_path / "slow"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(docker_daemon, "_ANSWER_S", 0.1)
    with pytest.raises(MeasurementError, match=r"slow does not say .* timed out"):
        docker_daemon.address(str(program))


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("tcp://10.0.0.1:2375", "is not of this host"),
        ("unix:///nowhere/docker.sock", "does not answer"),
    ],
)
def test_a_daemon_that_is_not_here_is_refused(where: str, said: str) -> None:
    with pytest.raises(MeasurementError, match=said):
        docker_daemon.refuse_foreign(where)


def test_a_daemon_whose_processes_we_see_is_taken(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "d.sock"))
        listening.listen()
        docker_daemon.refuse_foreign(f"unix://{tmp_path}/d.sock")


def test_a_path_with_commas_and_quotes_is_one_value() -> None:
    option = docker_daemon.mount_option(Path('/run/a,b"c'), "/inside")
    assert option == 'type=bind,"src=/run/a,b""c",dst=/inside'


def test_a_label_takes_any_path() -> None:
    assert docker_daemon.quoted('/a b/$c "d" \\') == '"/a b/\\$c \\"d\\" \\\\"'
