"""What the commands that look into a store or at the machine say to do, followed as it is written."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import socket
from collections import namedtuple
from functools import partial
from pathlib import Path

import pytest

from pipeline.cli.main import main
from pipeline.report.server import Server
from stages.pose import weights as weights_module
from tests.remedies.following import Case, Says, Words, both, call, check, nobody, write
from tests.support.pose import write_checkpoint
from tests.support.projects import manifest_in

NO_FILM = ("--film-frames", "0")
REPORT = ("report", *NO_FILM, "-o")
DETECTIONS = json.dumps({"rules": {}, "videos": []})


def ok(*words: object) -> str:
    code, text = call(main, *words)
    assert code == 0, text
    return text


def namesake() -> None:
    """Call both videos alike."""
    Path("videos/b").mkdir()
    Path("videos/other.mp4").rename("videos/b/clip.mp4")


def listed(_: str = "") -> Words:
    """Return a call for the first video that `ttprep status` lists."""
    names = [word for word in ok("status").split() if word.endswith(".mp4")]
    return ("path", names[0], "roi")


def reported() -> None:
    ok(*REPORT, "r")


def unreadable() -> None:
    """Spoil the flow of a video."""
    path = Path(ok("path", "clip", "flow").strip())
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :: 97] = bytes(len(data[len(data) // 2 :: 97]))
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a disk does it


def emptied(*_: str) -> None:
    """Delete the mark and everything beside it."""
    shutil.rmtree("r")


def crowded() -> None:
    """Put a file where the pages of the videos belong."""
    reported()
    shutil.rmtree("r/videos")
    Path("r/videos").write_text("mine")


def run(words: str, *_: str) -> None:
    ok(*shlex.split(words), "--workers", "0")


CASES = {
    "quiet and verbose": Case(
        ("status", "-q", "-v"),
        Says("--quiet and --verbose exclude each other: give one of them"),
        ("status", "-q"),
    ),
    "a picture of several videos": Case(
        ("preview", "videos", "-o", "p.png"),
        Says("name one of them, or give -o a folder to draw all"),
        ("preview", "videos/clip.mp4", "-o", "p.png"),
    ),
    "pictures of several videos": Case(
        ("preview", "videos", "-o", "p.png"),
        Says("or give {} a folder to draw all"),
        lambda option: ("preview", "videos", option, "pictures"),
    ),
    "a name of two videos": Case(
        ("path", "clip", "roi"),
        Says("videos are called so ({}); give the path"),
        lambda names: ("path", names.split(", ")[0], "roi"),
        prepare=namesake,
    ),
    "a name of no video": Case(
        ("path", "zzz", "roi"),
        Says("`ttprep status` lists the videos"),
        listed,
    ),
    "a result that is not made": Case(
        ("path", "clip", "untrimmed"),
        Says("({}); `ttprep {}` makes it"),
        follow=lambda _, words: run(words),
    ),
    "a table of another suffix": Case(
        ("table", "roi", "-o", "t.xlsx"),
        Says("a table is a {} or a .parquet; choose one of these suffixes"),
        lambda suffix: ("table", "roi", "-o", f"t{suffix}"),
    ),
    "a report in a file": Case(
        (*REPORT, "d.h5"), Says("is a file; name a folder for the report"), (*REPORT, "r")
    ),
    "a report below a file": Case(
        (*REPORT, "d.h5/r"), Says("cannot be used ({}); name another folder"), (*REPORT, "r")
    ),
    "a report among other things": Case(
        (*REPORT, "r"),
        Says("is no report of ttprep; name a new or empty folder, e.g. {}"),
        lambda words: ("report", *NO_FILM, *shlex.split(words)),
        prepare=write("r/thesis.tex", "text"),
    ),
    "a mark that is damaged": Case(
        (*REPORT, "r"),
        Says("delete this file and what you do not need beside it, or name another folder"),
        follow=emptied,
        prepare=both(reported, write("r/ttprep-report.json", "{}")),
    ),
    "a mark that is damaged, another folder": Case(
        (*REPORT, "r"),
        Says("so nothing tells whose folder it is; delete this file and"),
        (*REPORT, "s"),
        prepare=both(reported, write("r/ttprep-report.json", "{}")),
    ),
    "a page of somebody else": Case(
        (*REPORT, "r"),
        Says("{}: was not made by ttprep and is not replaced; move it, or name another"),
        follow=lambda path: Path(path).rename("mine.html"),
        prepare=both(reported, write("r/index.html", "mine")),
    ),
    "a page of somebody else, another folder": Case(
        (*REPORT, "r"),
        Says("is not replaced; move it, or name another folder"),
        (*REPORT, "s"),
        prepare=both(reported, write("r/index.html", "mine")),
    ),
    "pages that cannot be written": Case(
        (*REPORT, "r"),
        Says("cannot be written ({}); name another folder"),
        (*REPORT, "s"),
        prepare=crowded,
    ),
    "a film of several videos": Case(
        ("view", "videos", "--no-open"),
        Says("holds {} videos; name one of them"),
        ("view", "videos/clip.mp4", "--no-open"),
    ),
    "detections that are not there": Case(
        (*REPORT, "r", "--detections", "lost.json"),
        Says("no such file; give the report.json that `tttrain detect` wrote"),
        (*REPORT, "r", "--detections", "report.json"),
        prepare=write("report.json", DETECTIONS),
    ),
    "detections that are none": Case(
        (*REPORT, "r", "--detections", "d.json"),
        Says("is no report of detections ({}); give the report.json that `tttrain detect` wrote"),
        (*REPORT, "r", "--detections", "report.json"),
        prepare=both(write("d.json", "[]"), write("report.json", DETECTIONS)),
    ),
    "a result that is damaged": Case(
        ("report", "-o", "r"),
        Says("; `ttprep {}` makes it anew"),
        follow=run,
        prepare=unreadable,
    ),
}


@pytest.fixture(autouse=True)
def _served_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """End each server as ^C does."""

    def ended(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "serve_forever", ended)


@pytest.mark.parametrize("name", CASES)
def test_a_remedy_works_as_it_is_written(copied: Path, name: str) -> None:
    check(main, CASES[name])


def test_a_port_in_use(copied: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        view = partial(Case, ("view", "--no-open", "--port", other.getsockname()[1]))
        says = Says("port {}: cannot be used ({}); give another {}")
        check(main, view(says, lambda *holes: ("view", "--no-open", holes[-1], "0")))


def test_detections_that_may_not_be_read(copied: Path) -> None:
    from pipeline.errors import UserError
    from pipeline.report.sections.detections import read_detections

    copied.chmod(0o755)
    path = Path("report.json")
    path.write_text(DETECTIONS)
    path.chmod(0)
    with pytest.raises(UserError) as caught, nobody():
        read_detections(path)
    Says("cannot be read ({}); check its permissions").of(str(caught.value))
    path.chmod(0o644)
    with nobody():
        assert read_detections(path).path == path


def pages() -> str:
    """Return the pages of all videos, with code as the messages have it."""
    text = "".join(p.read_text(encoding="utf-8") for p in Path("r/videos").glob("*.html"))
    return text.replace("<code>", "`").replace("</code>", "`")


def test_pages_without_a_film(copied: Path) -> None:
    reported()
    hint = Says("`ttprep {}` makes it, with {} above 0").of(pages())
    assert "<video" not in pages()
    word, option = hint
    ok(word, option, "40", "-o", "r")
    assert pages().count("<video") == 2


def test_pages_of_other_frames(copied: Path) -> None:
    manifest_in(copied, modalities=["rgb"], stages={"frames": {"width": 60, "height": 44}})
    run("run --stage frames")
    reported()
    _, word = Says("not shown, since made of other frames: {}; `ttprep {}` makes new ones").of(pages())
    run(word)
    reported()
    assert "made of other frames" not in pages()


def test_a_disk_that_is_full(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    Path("full").mkdir()
    monkeypatch.setattr(
        shutil, "disk_usage", lambda place: usage(10**12, 0, 10**6 if Path(place).name == "full" else 10**11)
    )
    says = Says("only {} MB are free; make room or give another {}")
    check(main, Case(("doctor", "--store", "full"), says, lambda _, option: ("doctor", option, "store")))


# -- weights -------------------------------------------------------------------------------------


@pytest.fixture
def published(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights whose checksums are the pinned ones."""
    folder = write_checkpoint(copied / "w", "0.75")
    pins = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}
    monkeypatch.setattr(weights_module, "PINS", {"0.75": pins})
    return folder


def test_weights_are_checked_or_copied(published: Path) -> None:
    says = Says("--check changes nothing, --from copies: give one of them")
    check(main, Case(("weights", "--check", "--from", "w"), says, ("weights", "--from", "w")))


def test_weights_that_are_not_those(published: Path) -> None:
    path = published / "MobilenetV1_offset_2_biases"
    kept = path.read_bytes()

    def restore(_: str, words: str) -> None:
        text = call(main, *shlex.split(words))[1]
        assert f"{hashlib.sha256(kept).hexdigest()}  {path.name}" in text
        path.write_bytes(kept)

    path.write_bytes(b"\0" * len(kept))
    says = Says("such as {}; `ttprep {}` lists their names and checksums")
    check(main, Case(("weights", "--from", "w"), says, follow=restore))
