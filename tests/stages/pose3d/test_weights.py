"""BlazePose's networks: out of one pinned archive, into the cache, and what is said when there are none."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.cli.main import main
from stages.base import StageError
from stages.pose3d import STAGE, Pose3dParams
from stages.pose3d import pins as pins_module
from stages.pose3d import runtime as runtime_module
from stages.pose3d import weights as weights_module
from stages.pose3d.pins import PINS, files_of
from stages.pose3d.weights import (
    ENVIRONMENT,
    cache_folder,
    digest_of,
    fill_cache,
    pinned,
    published_digest,
    read_folder,
    resolve_networks,
)
from tests.remedies.following import Says


@dataclass
class Published:
    """An archive on this machine, and a server that has it."""

    path: Path
    url: str = ""
    content: bytes = b""
    asked: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    def __init__(self, published: Published, *args: object) -> None:
        self.published = published
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.published.asked.append(self.path)
        there = self.path == "/pose-1.tgz"
        self.send_response(200 if there else 404)
        content = self.published.content if there else b""
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


def write_archive(path: Path, *, spoilt: str = "") -> dict[str, tuple[str, str]]:
    """Write an archive with a file of text for each network, and others; return its pins."""
    pins = {}
    with tarfile.open(path, "w:gz") as tar:
        for name, (member, _) in PINS.items():
            content = f"the network {name}".encode()
            pins[name] = (member, hashlib.sha256(content).hexdigest())
            info = tarfile.TarInfo(member)
            content = content[::-1] if name == spoilt else content
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        info = tarfile.TarInfo("../outside")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"evil"))
    return pins


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Published]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setattr(runtime_module, "MODULE", "json")  # whether or not LiteRT is here
    held = Published(tmp_path / "pose-1.tgz")
    pins = write_archive(held.path)
    held.content = held.path.read_bytes()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, held))
    held.url = f"http://127.0.0.1:{server.server_address[1]}/pose-1.tgz"
    digest = hashlib.sha256(held.content).hexdigest()
    monkeypatch.setattr(weights_module, "PINS", pins)
    monkeypatch.setattr(pins_module, "PINS", pins)
    defaults = {"archive": held.url, "archive_sha256": digest, "pins": pins}
    monkeypatch.setattr(weights_module.fill_cache, "__kwdefaults__", defaults)
    monkeypatch.setattr(
        weights_module.resolve_networks, "__kwdefaults__", {"download": True, "archive": held.url}
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield held
    server.shutdown()
    thread.join()
    server.server_close()


def refused(path: Path | None = None) -> str:
    with pytest.raises(StageError) as error:
        fill_cache(path)
    text = str(error.value)
    assert "\n" not in text
    return text


def test_the_archive_is_fetched_once_and_its_files_are_kept(published: Published, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="not in the cache"):
        resolve_networks(download=False)
    found = resolve_networks()
    assert published.asked == ["/pose-1.tgz"]
    assert found.detector.read_bytes() == b"the network pose_detection.tflite"
    assert found.landmarks.read_bytes() == b"the network pose_landmark_full.tflite"
    assert found.published
    # the files alone: not the archive, and nothing else that was in it
    assert {p.name for p in cache_folder().iterdir()} == set(PINS)
    assert not list(tmp_path.rglob("outside"))
    assert resolve_networks() == resolve_networks(download=False) == found
    assert resolve_networks("heavy", download=False).landmarks.name == "pose_landmark_heavy.tflite"
    assert published.asked == ["/pose-1.tgz"]


def test_a_damaged_file_of_the_cache_is_fetched_again(published: Published) -> None:
    found = resolve_networks()
    found.landmarks.write_bytes(b"other")
    assert pinned(found.landmarks.name) == "other"
    assert resolve_networks() == found
    assert len(published.asked) == 2


def test_an_archive_other_than_the_pinned_one_is_refused(published: Published) -> None:
    published.content = published.content[:-1]
    text = refused()
    assert "is not the archive that was pinned" in text
    assert not any(cache_folder().iterdir())
    other = published.path.with_name("other.tgz")
    other.write_bytes(published.content)
    Says(
        ": is not the published archive (sha256 {}…, not {}…); name {} of the npm package @mediapipe/pose"
    ).of(refused(other))
    # the remedy
    assert pinned("pose_detection.tflite", fill_cache(published.path)) == "there"


def test_a_file_in_it_other_than_the_pinned_one_is_refused(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the archive's own digest is right."""
    write_archive(published.path, spoilt="pose_landmark_lite.tflite")
    digest = hashlib.sha256(published.path.read_bytes()).hexdigest()
    with pytest.raises(StageError, match=r"pose_landmark_lite.tflite in it is not the published file"):
        fill_cache(published.path, archive_sha256=digest, pins=pins_module.PINS)
    assert not cache_folder().exists()


def test_what_is_said_without_a_network(published: Published) -> None:
    for address, why in (
        (published.url.replace("pose-1", "gone"), "answered 404"),
        ("http://127.0.0.1:9/pose-1.tgz", "cannot be reached (ConnectionError)"),
    ):
        with pytest.raises(StageError) as error:
            fill_cache(archive=address)
        text = str(error.value)
        assert "\n" not in text
        assert why in text
        Says(
            "`ttprep weights pose3d` fetches them, `ttprep weights pose3d --from FILE` takes them"
            " from their archive, or name their folder in {}"
        ).of(text)


def test_a_folder_is_copied_where_all_is_published(published: Published, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    text = refused(folder)
    Says(": cannot be read ({}); name a folder with {}").of(text)
    for name in PINS:
        (folder / name).write_bytes(f"the network {name}".encode())
    assert pinned("pose_landmark_lite.tflite", fill_cache(folder)) == "there"
    (folder / "pose_landmark_lite.tflite").write_bytes(b"own")
    text = refused(folder)
    Says(": is not the published file; `ttprep weights pose3d` fetches it; {} takes a folder with any").of(
        text
    )
    Says(": cannot be read ({}); name the archive, or a folder").of(refused(tmp_path / "gone.tgz"))


def test_the_environment_takes_any_networks(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They make another key."""
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    with pytest.raises(StageError) as error:
        resolve_networks()
    Says("cannot be read ({}); `ttprep weights pose3d` fetches it, or name a folder with {}").of(
        str(error.value)
    )
    for name in files_of("full"):
        (tmp_path / name).write_bytes(b"own")
    found = resolve_networks()
    assert not found.published
    assert (
        found.sha256
        != published_digest("full")
        == digest_of({n: pins_module.PINS[n][1] for n in files_of("full")})
    )
    assert published.asked == []


def test_networks_that_a_run_was_not_planned_with(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_networks()
    planned = Pose3dParams(weights_sha256=digest_of({"a": "b"}))
    with pytest.raises(StageError) as error:
        list(STAGE.compute(iter([]), planned, None))  # type: ignore[arg-type]
    Says("are not those that this run was planned with; restore them or run again; {}").of(str(error.value))


def test_the_key_is_known_before_the_networks_are_there(published: Published) -> None:
    assert STAGE.derive is not None
    before = STAGE.derive(Pose3dParams(), None, False)
    assert "`ttprep weights pose3d` fetches them" in before.unavailable
    after = STAGE.derive(Pose3dParams(), None, True)
    assert not after.unavailable
    assert after.environment == {ENVIRONMENT: str(cache_folder())}
    assert before.params == after.params
    assert after.params.weights_sha256 == read_folder(cache_folder(), "full").sha256


def test_without_the_extra_one_line_says_what_to_install(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert STAGE.derive is not None
    known = STAGE.derive(Pose3dParams(), None, True).params
    monkeypatch.setattr(runtime_module, "MODULE", "no_runtime_of_this_name")
    without = STAGE.derive(Pose3dParams(), None, True)
    assert without.params == known
    Says('pose3d needs LiteRT, which is not installed; install it: `pip install "ttprep[pose3d]"`').of(
        without.unavailable
    )
    with pytest.raises(StageError, match="needs LiteRT"):
        runtime_module.Network(cache_folder() / "pose_detection.tflite", (1,), {})


def test_the_command(published: Published, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as exit_:
            main(["weights", "pose3d", *words])
        assert (exit_.value.code or 0) == code
        out = capsys.readouterr()
        return out.out + out.err

    assert "`ttprep weights pose3d` fetches them" in said("--check", code=1)
    assert f"{cache_folder()}: 4 of 4 files are there" in said()
    assert said("--check", "-v").count("  there") == 4
    told = json.loads(said("--json"))
    assert told["complete"]
    assert told["folder"] == str(cache_folder())
    assert {f["name"] for f in told["files"]} == set(PINS)
    assert len(published.asked) == 1
    assert "4 of 4" in said("--from", str(published.path))
    assert "give one of them" in said("--check", "--from", str(published.path), code=2)
