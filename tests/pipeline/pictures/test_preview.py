"""Previews of a tiny processed project: what the store holds is what is seen."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.inputs.manifest import Manifest
from pipeline.pictures.draw import Picture
from pipeline.pictures.preview import preview
from pipeline.planning.request import Request
from pipeline.planning.staleness import Planned
from pipeline.planning.survey import survey
from stages.roi import RoiParams
from store import Store
from tests.support.projects import QUIET, SIZE, manifest_in, project

N = 24
ROI = RoiParams(crop_width=24, crop_height=24)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return project(tmp_path_factory.mktemp("préview"), {"é 1": N}, {"é 1": [(2, 20, "Up")]})


def planned(manifest: Manifest) -> tuple[Store, list[Planned]]:
    store = Store.open(manifest.resolve(manifest.store))
    (plan,) = survey(Request(manifest, store.root), store, QUIET).plans.values()
    return store, plan


def stored(store: Store, plan: list[Planned], stage: str, array: str) -> Picture:
    slot = next(p.node.slot for p in plan if p.node.stage.name == stage)
    with store.reader(slot) as reader:
        return np.asarray(reader.read(array))


def read(path: Path) -> Picture:
    """RGB; OpenCV cannot open every path itself."""
    decoded = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(decoded, np.uint8)[..., ::-1]


def test_a_picture_shows_the_stored_frames(made: Manifest, tmp_path: Path) -> None:
    store, plan = planned(made)
    out = tmp_path / "é.png"
    assert preview(store, plan, ROI, out, (3, 21)) == []
    picture = read(out)
    width, height = SIZE
    assert picture.shape == (2 * (22 + 2 * height), 4 * 2 * width, 3)
    frames = stored(store, plan, "frames", "rgb")
    for number, part in zip((3, 21), np.split(picture, 2), strict=True):
        assert (part[22::2, : 2 * width : 2] == frames[number]).all()
    preview(store, plan, ROI, tmp_path / "again.png", (3, 21))
    assert (tmp_path / "again.png").read_bytes() == out.read_bytes()


def test_without_frames_named_four_are_chosen_from_all_over_the_video(made: Manifest, tmp_path: Path) -> None:
    store, plan = planned(made)
    preview(store, plan, ROI, tmp_path / "a.jpg")
    picture = read(tmp_path / "a.jpg")
    assert picture.shape == (4 * (22 + 2 * SIZE[1]), 8 * SIZE[0], 3)
    frames = stored(store, plan, "frames", "rgb").astype(int)
    for quarter, part in enumerate(np.split(picture, 4)):
        shown = part[22::2, : 2 * SIZE[0] : 2].astype(int)
        closest = int(np.abs(frames - shown).mean(axis=(1, 2, 3)).argmin())
        assert quarter * N // 4 <= closest < (quarter + 1) * N // 4


def test_a_film_shows_every_frame_at_the_videos_rate(made: Manifest, tmp_path: Path) -> None:
    store, plan = planned(made)
    preview(store, plan, ROI, tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as film:
        stream = film.streams.video[0]
        assert stream.average_rate == Fraction(120)
        assert (stream.width, stream.height) == (4 * SIZE[0], 22 + SIZE[1])
        shown = [f.to_ndarray(format="rgb24") for f in film.decode(stream)]
    frames = stored(store, plan, "frames", "rgb").astype(int)
    assert len(shown) == N
    for picture, frame in zip(shown, frames, strict=True):
        assert np.abs(picture[22:, : SIZE[0]] - frame).mean() < 12


def test_results_of_older_parameters_are_shown_and_named(made: Manifest, tmp_path: Path) -> None:
    changed = manifest_in(made.folder, stages={"flow": {"n_outer": 2, "n_sor": 2, "min_width": 20}})
    store, plan = planned(changed)
    old = preview(store, plan, ROI, tmp_path / "old.png", (3,))
    assert "flow" in old
    assert "frames" not in old
    assert (tmp_path / "old.png").exists()
    manifest_in(made.folder)


@pytest.mark.parametrize(
    ("name", "frames", "words"),
    [
        ("a.gif", (), "choose one of these suffixes"),
        ("a.png", (N,), f"frame {N} does not exist; the video has frames 0 to {N - 1}"),
        ("a.png", (-1,), "frame -1 does not exist"),
        ("nowhere.txt/a.png", (), "cannot be written"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    made: Manifest, tmp_path: Path, name: str, frames: tuple[int, ...], words: str
) -> None:
    (tmp_path / "nowhere.txt").write_text("")
    store, plan = planned(made)
    with pytest.raises(UserError, match=words):
        preview(store, plan, ROI, tmp_path / name, frames)
    assert [p.name for p in tmp_path.iterdir()] == ["nowhere.txt"]


def test_a_video_without_results_is_refused(made: Manifest, tmp_path: Path) -> None:
    _, plan = planned(made)
    empty = Store.create(tmp_path / "store")
    (unmade,) = survey(Request(made, empty.root), empty, QUIET).plans.values()
    with pytest.raises(UserError, match="run `ttprep run` on it first"):
        preview(empty, unmade, ROI, tmp_path / "a.png")
    assert len(unmade) <= len(plan)
