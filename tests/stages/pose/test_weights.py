"""Where the weights come from, and what is said when there are none."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from pipeline.cli.main import main
from stages.base import StageError
from stages.pose import weights as weights_module
from stages.pose.architecture import Model
from stages.pose.pins import PINS, PUBLISHED
from stages.pose.weights import ENVIRONMENT, cache_folder, fill_cache, read_checkpoint, resolve_weights
from tests.remedies.following import Says, call
from tests.support.pose import checkpoint, needs_shared, write_checkpoint


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(ENVIRONMENT, raising=False)


@dataclass
class Storage:
    """A bucket on this machine."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    def __init__(self, storage: Storage, *args: object) -> None:
        self.storage = storage
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.storage.asked.append(self.path)
        content = self.storage.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """A server with a checkpoint whose checksums are the pinned ones."""
    folder = write_checkpoint(tmp_path / "origin", "0.75")
    held = Storage(files={f"/w/mobilenet_v1_075/{p.name}": p.read_bytes() for p in folder.iterdir()})
    pins = {Path(k).name: hashlib.sha256(v).hexdigest() for k, v in held.files.items()}
    monkeypatch.setattr(weights_module, "PINS", {"0.75": pins})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, held))
    held.url = f"http://127.0.0.1:{server.server_address[1]}/w"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield held
    server.shutdown()
    thread.join()
    server.server_close()


def one_line(error: pytest.ExceptionInfo[StageError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def assert_remedies(text: str) -> None:
    assert "--pose-weights" in text
    assert ENVIRONMENT in text
    assert "`ttprep weights`" in text


def test_download_once_then_cache(storage: Storage, tmp_path: Path) -> None:
    found = resolve_weights(storage=storage.url)
    assert found.sha256 == read_checkpoint(tmp_path / "origin").sha256
    assert found.path == cache_folder() / "mobilenet_v1_075"
    assert sorted(storage.asked) == sorted(storage.files)
    storage.asked.clear()
    assert resolve_weights(storage=storage.url) == found
    assert resolve_weights(download=False) == found
    assert storage.asked == []


def test_only_what_is_missing_or_damaged_is_fetched_again(storage: Storage) -> None:
    found = resolve_weights(storage=storage.url)
    lost, damaged = "MobilenetV1_heatmap_2_weights", "MobilenetV1_Conv2d_3_pointwise_weights"
    (found.path / lost).unlink()
    content = bytearray((found.path / damaged).read_bytes())
    content[100] ^= 1
    (found.path / damaged).write_bytes(content)
    storage.asked.clear()
    with pytest.raises(StageError, match="not in the cache"):
        resolve_weights(download=False)
    assert resolve_weights(storage=storage.url) == found
    assert sorted(storage.asked) == [f"/w/mobilenet_v1_075/{n}" for n in sorted((lost, damaged))]


def test_a_file_other_than_the_pinned_one_is_refused_and_not_kept(storage: Storage) -> None:
    path = "/w/mobilenet_v1_075/MobilenetV1_offset_2_biases"
    storage.files[path] = storage.files[path][:-1] + b"\x01"
    with pytest.raises(StageError) as error:
        resolve_weights(storage=storage.url)
    text = one_line(error)
    assert "MobilenetV1_offset_2_biases is not the file that was pinned" in text
    assert_remedies(text)
    assert not (cache_folder() / "mobilenet_v1_075" / "MobilenetV1_offset_2_biases").exists()


def test_an_answer_that_is_no_file(storage: Storage) -> None:
    del storage.files["/w/mobilenet_v1_075/MobilenetV1_offset_2_biases"]
    with pytest.raises(StageError, match="MobilenetV1_offset_2_biases answered 404") as error:
        resolve_weights(storage=storage.url)
    assert_remedies(one_line(error))


def test_refused_connection(storage: Storage, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(StageError) as error:
        resolve_weights(storage=f"http://127.0.0.1:{port}/w")
    text = one_line(error)
    assert f"http://127.0.0.1:{port}/w cannot be reached" in text
    assert_remedies(text)
    says = Says("`ttprep weights` fetches them, `ttprep weights --from FOLDER` takes them from a folder")
    says.of(text)
    fetched = fill_cache("0.75", storage=storage.url)
    assert fetched == resolve_weights(download=False)
    shutil.rmtree(fetched.path)
    code, said = call(main, "weights", "--from", tmp_path / "origin")
    assert code == 0, said
    assert fetched == resolve_weights(download=False)


def test_a_cache_that_cannot_be_written(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("a file where the cache folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StageError, match="cannot write") as error:
        resolve_weights(storage=storage.url)
    assert_remedies(one_line(error))


@pytest.mark.parametrize("model", ["0.50", "1.0"])
def test_a_model_without_pins_is_never_downloaded(storage: Storage, model: Model, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no checksums are pinned") as error:
        resolve_weights(model=model, storage=storage.url)
    assert "--pose-weights" in one_line(error)
    assert storage.asked == []
    Says("use model '0.75'").of(one_line(error))
    assert resolve_weights(model="0.75", storage=storage.url).model == "0.75"
    own = write_checkpoint(tmp_path / "own", model)
    assert resolve_weights(own, model).model == model


def test_order_given_then_environment_then_cache(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = resolve_weights(storage=storage.url)
    given = write_checkpoint(tmp_path / "given", "0.75", seed=1)
    named = write_checkpoint(tmp_path / "named", "0.75", seed=2)
    monkeypatch.setenv(ENVIRONMENT, str(named))
    assert resolve_weights(given).path == given
    assert resolve_weights().path == named
    monkeypatch.delenv(ENVIRONMENT)
    assert resolve_weights(download=False) == cached
    with pytest.raises(StageError, match="nowhere"):  # what is named and wrong is not passed over
        resolve_weights(tmp_path / "nowhere")
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "nowhere"))
    with pytest.raises(StageError, match="nowhere"):
        resolve_weights()


def test_the_parent_of_posenet_pythons_folders_will_do(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "weights" / "mobilenet_v1_075", "0.75")
    assert resolve_weights(tmp_path / "weights").path == folder


def test_another_model_than_asked_for(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "w", "0.50")
    with pytest.raises(StageError, match=r"MobileNet 0\.50, but 0\.75") as error:
        resolve_weights(folder, "0.75")
    assert "model to '0.50'" in one_line(error)


@pytest.mark.parametrize(
    "damage", ["short", "missing file", "missing variable", "shape", "nan", "text", "list"]
)
def test_damaged_checkpoints_are_named(tmp_path: Path, damage: str) -> None:
    folder = write_checkpoint(tmp_path / "w", "0.50")
    file = folder / "MobilenetV1_Conv2d_5_depthwise_biases"
    table = folder / "manifest.json"
    manifest = json.loads(table.read_text())
    name = "MobilenetV1/Conv2d_5_depthwise/biases"
    if damage == "short":
        file.write_bytes(file.read_bytes()[:-4])
    elif damage == "missing file":
        file.unlink()
    elif damage == "missing variable":
        del manifest[name]
        table.write_text(json.dumps(manifest))
    elif damage == "shape":
        manifest[name]["shape"] = [1]
        table.write_text(json.dumps(manifest))
    elif damage == "nan":
        values = np.fromfile(file, "<f4")
        values[3] = np.nan
        values.tofile(file)
    else:
        table.write_text("half a manif" if damage == "text" else "[]")
    with pytest.raises(StageError) as error:
        read_checkpoint(folder)
    text = one_line(error)
    assert str(folder) in text
    assert ("manifest.json" if damage in ("text", "list") else "Conv2d_5_depthwise") in text


def test_the_digest_sees_one_bit_and_not_the_place(tmp_path: Path) -> None:
    one, two = (write_checkpoint(tmp_path / n, "0.50") for n in ("one", "two"))
    digest = read_checkpoint(one).sha256
    assert read_checkpoint(two).sha256 == digest
    file = two / "MobilenetV1_displacement_bwd_2_weights"
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)
    assert read_checkpoint(two).sha256 != digest


@needs_shared
def test_the_pins_are_those_of_the_published_files() -> None:
    digests = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in checkpoint().iterdir()}
    assert PINS["0.75"] == digests
    assert read_checkpoint(checkpoint()).sha256 == PUBLISHED["0.75"]
    assert sum(a.size for a in read_checkpoint(checkpoint()).arrays().values()) == 1_258_195
