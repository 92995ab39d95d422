"""Serve a report to this machine alone.

The address holds a random word, without which every request is refused: other users of the machine, and pages
of the web that guess the port, get nothing. Only files of the report are served, and only to be read.
"""

from __future__ import annotations

import hmac
import re
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from pipeline.report.folder import ASSETS, COMPARISONS, VIDEOS

HOST = "127.0.0.1"
#: what a report consists of
_SERVED = re.compile(
    rf"index\.html|{ASSETS}/[a-z]+\.(?:js|css)|{VIDEOS}/[0-9a-f]{{16}}(?:-\d+\.js|\.html|\.mp4)"
    rf"|{COMPARISONS}/[0-9a-f]{{16}}-\d+-\d+-[0-9a-f]{{8}}\.html"
)
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".mp4": "video/mp4",
}
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_PIECE = 1 << 18


class Server(ThreadingHTTPServer):
    """A server of one report, on a free port.

    Parameters
    ----------
    folder : Path
        The report.
    port : int
        0: any free one.

    Raises
    ------
    OSError
        The port is taken.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__((HOST, port), _Handler)
        self.folder = folder.resolve()
        self.token = secrets.token_urlsafe(24)

    def address(self, page: str = "index.html") -> str:
        """Return the URL of a page."""
        return f"http://{HOST}:{self.server_port}/{self.token}/{page}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a browser that breaks a connection off is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "ttprep", ""
    timeout = 60

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        path = self._file()
        if path is None:
            return self._refuse(HTTPStatus.FORBIDDEN)
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                self._send(file, size, _KINDS[path.suffix], body)
        except (FileNotFoundError, IsADirectoryError):
            self._refuse(HTTPStatus.NOT_FOUND)
        except PermissionError:
            self._refuse(HTTPStatus.FORBIDDEN)
        return None

    def _file(self) -> Path | None:
        """Return the file that is asked for; None where the asker has no right to it."""
        # another name for this machine is how a page of the web would get around the same-origin rule
        host = self.headers.get("Host", "")
        if host not in (f"{HOST}:{self.server.server_port}", f"localhost:{self.server.server_port}"):
            return None
        _, _, rest = unquote(urlsplit(self.path).path).partition("/")
        token, _, name = rest.partition("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            return None
        name = name or "index.html"
        path = self.server.folder / name
        if not _SERVED.fullmatch(name) or path.resolve() != path:  # nor what a link leads to
            return None
        return path

    def _send(self, file: BinaryIO, size: int, kind: str, body: bool) -> None:
        begin, end = 0, size
        asked = _RANGE.fullmatch(self.headers.get("Range", "").strip())
        partial = asked is not None and any(asked.groups())
        if asked is not None and partial:
            first, last = asked.groups()
            begin = int(first) if first else max(0, size - int(last))
            end = min(size, int(last) + 1) if first and last else size
            if begin >= end:
                return self._refuse(
                    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"}
                )
        self.send_response(HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(end - begin))
        self.send_header("Accept-Ranges", "bytes")
        if partial:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{size}")
        self._close_headers()
        file.seek(begin)
        while body and begin < end and (data := file.read(min(_PIECE, end - begin))):
            self.wfile.write(data)
            begin += len(data)
        return None

    def _refuse(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self._close_headers()

    def _close_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("X-Frame-Options", "DENY")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Write no log: the address would stand in it."""
