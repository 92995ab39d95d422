"""`ttprep view` serves the report to whoever has its address, and nothing else to anybody."""

from __future__ import annotations

import errno
import http.client
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from pipeline.report.folder import MARK, Folder
from pipeline.report.server import Server

ID = "0123456789abcdef"
FILM = MARK.encode() + bytes(range(256)) * 10


@dataclass
class Answer:
    """What a server said."""

    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("served")
    (root / "secret.html").write_text("secret")
    folder = Folder(root / "report")
    folder.write("index.html", f"<!-- {MARK} -->")
    folder.write(f"videos/{ID}.json", MARK)
    (folder.path / "videos" / f"{ID}.mp4").write_bytes(FILM)
    (folder.path / "videos" / "aaaaaaaaaaaaaaaa.html").symlink_to(root / "secret.html")
    (folder.path / "assets").symlink_to(root)
    with Server(folder.path) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        got = connection.getresponse()
        return Answer(got.status, dict(got.getheaders()), got.read())
    finally:
        connection.close()


def test_the_index_and_its_headers(server: Server) -> None:
    got = ask(server, f"/{server.token}/index.html")
    assert (got.status, got.body) == (200, f"<!-- {MARK} -->".encode())
    assert got.headers["Content-Type"] == "text/html; charset=utf-8"
    assert got.headers["Referrer-Policy"] == "no-referrer"
    assert got.headers["Cache-Control"] == "no-store"
    assert ask(server, f"/{server.token}/").body == got.body
    head = ask(server, f"/{server.token}/index.html", "HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(got.body)))


@pytest.mark.parametrize("token", ["", "x", "%00", "ü", ".."])
def test_without_the_word_nothing_is_served(server: Server, token: str) -> None:
    wrong = f"/{quote(token, safe='%')}/index.html", f"/{server.token[:-1]}/index.html"
    for path in (*wrong, "/index.html", "/", "//"):
        got = ask(server, path)
        assert (got.status, got.body) == (403, b"")


@pytest.mark.parametrize(
    "name",
    ["../secret.html", "..%2fsecret.html", "videos/../../secret.html", "%2e%2e/secret.html", "videos/",
     "ttprep-report.json", f"videos/{ID}.json", "videos/aaaaaaaaaaaaaaaa.html", "assets/secret.html",
     "assets/report.css", "index.html%00", f"videos/{ID}.mp4/.."],
)  # fmt: skip
def test_only_files_of_the_report_are_served(server: Server, name: str) -> None:
    got = ask(server, f"/{server.token}/{name}")
    assert (got.status, got.body) == (403, b"")


def test_what_is_not_there_is_not_found(server: Server) -> None:
    assert ask(server, f"/{server.token}/videos/bbbbbbbbbbbbbbbb.html").status == 404


def test_another_name_for_this_machine_is_refused(server: Server) -> None:
    """A page of the web whose name comes to mean 127.0.0.1 must not read the report."""
    for host in (
        "evil.example",
        f"evil.example:{server.server_port}",
        "",
        f"127.0.0.1:{server.server_port}0",
    ):
        assert ask(server, f"/{server.token}/index.html", Host=host).status == 403
    assert ask(server, f"/{server.token}/index.html", Host=f"localhost:{server.server_port}").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_it_only_reads(server: Server, method: str) -> None:
    assert ask(server, f"/{server.token}/index.html", method).status == 501


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [("bytes=0-99", 0, 100), ("bytes=100-", 100, None), ("bytes=-7", -7, None), ("bytes=5-5", 5, 6),
     ("bytes=10-999999", 10, None)],
)  # fmt: skip
def test_a_film_seeks_by_ranges(server: Server, asked: str, begin: int, end: int | None) -> None:
    got = ask(server, f"/{server.token}/videos/{ID}.mp4", Range=asked)
    first, stop, _ = slice(begin, end).indices(len(FILM))
    assert (got.status, got.body) == (206, FILM[first:stop])
    assert got.headers["Content-Range"] == f"bytes {first}-{stop - 1}/{len(FILM)}"
    assert got.headers["Accept-Ranges"] == "bytes"


def test_odd_ranges(server: Server) -> None:
    film = f"/{server.token}/videos/{ID}.mp4"
    for asked in (f"bytes={len(FILM)}-", "bytes=9-3", "bytes=-0"):
        got = ask(server, film, Range=asked)
        assert (got.status, got.headers["Content-Range"]) == (416, f"bytes */{len(FILM)}")
    for asked in ("bytes=-", "items=0-3", "bytes=0-1,5-6", "bytes=a-b", "bytes=²-3"):
        got = ask(server, film, Range=asked)
        assert (got.status, got.body) == (200, FILM), "what is not understood is no range"


def test_it_listens_on_this_machine_alone_and_each_time_elsewhere(tmp_path: Path) -> None:
    with Server(tmp_path) as one, Server(tmp_path) as other:
        assert one.server_address[0] == other.server_address[0] == "127.0.0.1"
        assert one.server_port != other.server_port
        assert len({one.token, other.token}) == 2
        assert len(one.token) >= 32


def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    with Server(tmp_path) as one, pytest.raises(OSError, match=os.strerror(errno.EADDRINUSE)):
        Server(tmp_path, one.server_port)
