"""Serve one page to a browser elsewhere, for a host that has none of its own."""

from __future__ import annotations

import getpass
import platform
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from benchmarks.errors import BenchmarkError

_HOST = "127.0.0.1"
_OWN_NAMES = frozenset({_HOST, "localhost"})
_SILENT_S = 20.0


class PortError(BenchmarkError):
    """The port cannot be had."""


class PageServer(ThreadingHTTPServer):
    """Serves one page under ``/`` on the loopback interface, and nothing else."""

    daemon_threads = True

    def __init__(self, page: bytes, port: int = 0) -> None:
        """Bind; nothing is served before ``serve_forever``.

        Args:
            page: The page, as UTF-8.
            port: Port; 0 for any that is free.

        Raises:
            PortError: The port cannot be had.
        """
        self.page = page
        try:
            super().__init__((_HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise PortError(f"port {port} of {_HOST} cannot be had: {why}; give another") from error

    def told(self) -> str:
        """Say how to see the page, from this host and from another one."""
        port = self.server_port
        here = f"{getpass.getuser()}@{platform.node()}"
        return (
            f"report: http://{_HOST}:{port}/ (Ctrl-C ends it)\n"
            f"from another computer first: ssh -L {port}:{_HOST}:{port} {here}"
        )

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a browser that went away is no fault."""


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout: ClassVar[float] = _SILENT_S
    server_version = "tare"
    sys_version = ""

    def do_GET(self) -> None:
        """Send the page."""
        if self._head():
            self.wfile.write(self.server.page)

    def do_HEAD(self) -> None:
        """Send what precedes the page."""
        self._head()

    def _head(self) -> bool:
        # a page of another site that has its name lead here is not to read the report
        named = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        if named not in _OWN_NAMES or self.path.partition("?")[0] != "/":
            self.send_error(HTTPStatus.NOT_FOUND)
            return False
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self.server.page)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        return True

    def log_message(self, *args: object) -> None:
        """Say nothing of single requests."""
