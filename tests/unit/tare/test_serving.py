"""``tare report --serve``: the report, to this host alone, and nothing else."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tare.serving import PageServer, PortError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = "<html>a page \N{SNOWMAN}</html>".encode()


@pytest.fixture
def server() -> Iterator[PageServer]:
    with PageServer(PAGE) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.05,))
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def ask(port: int, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_the_page_is_served_and_nothing_beside_it(server: PageServer) -> None:
    assert ask(server.server_port) == (200, PAGE)
    assert ask(server.server_port, "/?theme=dark") == (200, PAGE)
    assert ask(server.server_port, method="HEAD") == (200, b"")
    for path in ("/run.json", "/../../etc/passwd", "/samples.jsonl", "/%2e%2e/"):
        assert ask(server.server_port, path)[0] == 404
    assert ask(server.server_port, method="POST")[0] == 501


def test_a_page_of_another_site_cannot_read_it(server: PageServer) -> None:
    assert ask(server.server_port, Host="evil.example:80")[0] == 404
    assert ask(server.server_port, Host="localhost:9999")[0] == 200


def test_it_listens_on_loopback_alone_and_names_the_ssh_line(server: PageServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    port = server.server_port
    assert f"http://127.0.0.1:{port}/" in server.told()
    assert f"ssh -L {port}:127.0.0.1:{port} " in server.told()


def test_a_browser_that_goes_away_leaves_no_traceback(
    server: PageServer, capfd: pytest.CaptureFixture[str]
) -> None:
    for line in (
        b"",
        b"\x16\x03\x01 nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=30) as client:
            client.sendall(line)
    assert ask(server.server_port)[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_port_in_use_is_one_sentence(server: PageServer) -> None:
    with pytest.raises(PortError, match="cannot be had: Address already in use; give another"):
        PageServer(PAGE, server.server_port)


def test_the_command_serves_a_report_until_it_is_interrupted(fake_run: Path) -> None:
    before = sorted(fake_run.rglob("*"))
    command = [sys.executable, "-m", "tare", "report", str(fake_run), "--serve"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        found = re.search(r":(\d+)/", process.stdout.readline())
        assert found
        status, page = ask(int(found[1]))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert status == 200
    assert b"<html" in page
    assert sorted(fake_run.rglob("*")) == before
