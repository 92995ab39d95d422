"""What is found in folders as they are: hidden things, links in circles, pipes, spellings of one name."""

from __future__ import annotations

import os
import socket
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.discovery import VIDEO_SUFFIXES, Search, find_videos, on_disk, real_path


def files(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def found(folder: Path, *paths: Path) -> list[str]:
    videos = find_videos(paths or [folder], folder / "store")
    assert not videos.problems
    return [path.relative_to(folder).as_posix() for path in videos.files]


def test_hidden_files_and_those_of_systems_are_left_out_and_counted(tmp_path: Path) -> None:
    files(tmp_path, "a.mp4", ".b.mp4", "._a.mp4", ".git/c.mp4", "__MACOSX/d.mp4", "notes.txt", "day/e.MOV")
    files(tmp_path, "day/.ipynb_checkpoints/f.mp4", "@eaDir/g.mp4", "day/t.srt", "day/u.srt", "store/h.mp4")
    assert found(tmp_path) == ["a.mp4", "day/e.MOV"]
    (note,) = find_videos([tmp_path], tmp_path / "store").notes
    assert note == f"{tmp_path}: left out: 3 other files (2 .srt, 1 .txt), 6 hidden"
    assert found(tmp_path, tmp_path / ".git") == [".git/c.mp4"]  # who names a hidden folder means it


def test_a_folder_without_a_video_says_what_it_holds(tmp_path: Path) -> None:
    assert find_videos([tmp_path], tmp_path / "s").notes == (
        f"{tmp_path}: no video file found there; it holds nothing",
    )
    files(tmp_path, "1.png", "2.png", ".DS_Store")
    (note,) = find_videos([tmp_path], tmp_path / "s").notes
    assert "it holds 2 other files (2 .png), 1 hidden" in note
    assert "source of the kind frames" in note


def test_links_are_followed_once_and_circles_end(tmp_path: Path) -> None:
    home, disk = tmp_path / "home", tmp_path / "disk"
    files(home, "a.mp4", "sub/b.mp4")
    files(disk, "c.mp4", "deep/d.mp4")
    (home / "0disk").symlink_to(disk)
    (home / "again").symlink_to(disk)
    (home / "sub" / "up").symlink_to("..")
    (home / "self").symlink_to(".")
    (disk / "back").symlink_to(home)
    (disk / "root").symlink_to(tmp_path)  # what lies above the folder that was named is not searched
    (home / "loop").symlink_to("loop")
    files(tmp_path, "outside.mp4")
    assert found(home) == ["a.mp4", "sub/b.mp4", "0disk/c.mp4", "0disk/deep/d.mp4"]
    (note,) = find_videos([home], home / "store").notes
    assert note.endswith("1 other file (1 without ending), 5 links to folders searched already")


def test_a_linked_file_has_its_own_name_and_a_dangling_one_is_reported_later(tmp_path: Path) -> None:
    files(tmp_path, "other/x.dat")
    folder = tmp_path / "v"
    folder.mkdir()
    (folder / "a.mp4").symlink_to(tmp_path / "other" / "x.dat")
    (folder / "b.mp4").symlink_to("nowhere")
    (folder / "c.mp4").symlink_to("c.mp4")
    assert found(folder) == ["a.mp4", "b.mp4", "c.mp4"]


def test_special_files_are_found_and_opened_by_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.mp4")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(tmp_path / "y.mp4"))
    assert found(tmp_path) == ["x.mp4", "y.mp4"]


def test_one_list_of_suffixes_for_everything() -> None:
    wanted = "gif 264 dv divx f4v mod lrv m2ts 3gp vob mxf asf ogv m2v mp4 avi mov mkv webm mts wmv ts flv"
    assert {f".{name}" for name in wanted.split()} <= VIDEO_SUFFIXES
    assert all(suffix == suffix.lower() for suffix in VIDEO_SUFFIXES)
    from pipeline.annotations.parsing.video_names import stem

    assert {stem(f"a{suffix}") for suffix in VIDEO_SUFFIXES} == {"a"}


@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_a_path_is_found_in_either_form_of_unicode(tmp_path: Path, written: str) -> None:
    name = "Zoë/Größe.mp4"
    other = "NFD" if written == "NFC" else "NFC"
    files(tmp_path, unicodedata.normalize(other, name))  # type: ignore[arg-type]
    path = tmp_path / unicodedata.normalize(written, name)  # type: ignore[arg-type]
    assert not path.exists()
    assert on_disk(path).exists()
    assert len(find_videos([path], tmp_path / "s").files) == 1
    assert on_disk(tmp_path / "weg é.mp4") == tmp_path / "weg é.mp4"


NAMES = st.sampled_from(["a", "b", ".c", "d.mp4", "e.csv"])
TREES = st.lists(
    st.tuples(st.lists(NAMES, min_size=1, max_size=4), st.sampled_from(["file", "folder", "link"]),
              st.lists(NAMES, max_size=3)), max_size=14,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(things=TREES)
def test_any_tree_is_searched_to_its_end_and_no_folder_twice(
    tmp_path_factory: pytest.TempPathFactory, things: Iterable[tuple[list[str], str, list[str]]]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for parts, kind, target in things:
        path = root.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "file":
                path.write_text("x")
            elif kind == "folder":
                path.mkdir(exist_ok=True)
            else:
                path.symlink_to(root.joinpath(*target))
        except OSError:
            continue
    visited = [folder.stat() for folder, _ in Search().folders(root)]
    identities = [(s.st_dev, s.st_ino) for s in visited]
    assert len(identities) == len(set(identities))
    plain = {
        Path(folder, name)
        for folder, folders, names in os.walk(root)
        for name in names
        if not any(part.startswith(".") for part in Path(folder, name).relative_to(root).parts)
        and name.endswith(".mp4")
    }
    assert plain <= set(find_videos([root], root / "store").files)


def test_real_paths_are_those_of_the_operating_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "v.mp4").touch()
    (tmp_path / "link").symlink_to("a/b")
    (tmp_path / "a" / "v.mp4").symlink_to("b/v.mp4")
    (tmp_path / "circle").symlink_to("circle")
    folders: dict[str, str] = {}
    places = [
        "a/b/v.mp4", "link/v.mp4", "link/../v.mp4", "a/v.mp4", "./a/b", "a/b/..", "circle", "circle/v.mp4",
        "none", ".",
    ]  # fmt: skip
    for _ in range(2):
        for place in (*map(Path, places), *(tmp_path / p for p in places)):
            assert real_path(place, folders) == os.path.realpath(place)
