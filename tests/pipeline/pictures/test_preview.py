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
from pipeline.pictures.sheet import GAP, Sheet
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


#: small frames are enlarged so that text has room
ZOOM = 4


def found(picture: Picture, frame: Picture, zoom: int = ZOOM) -> bool:
    """Whether a frame, enlarged, is the left panel of some row."""
    height, width = frame.shape[0] * zoom, frame.shape[1] * zoom
    return any(
        (picture[y : y + height : zoom, :width:zoom] == frame).all()
        for y in range(len(picture) - height + 1)
        if (picture[y, 0] == frame[0, 0]).all()
    )


def test_a_picture_shows_the_stored_frames(made: Manifest, tmp_path: Path) -> None:
    store, plan = planned(made)
    out = tmp_path / "é.png"
    assert preview(store, plan, ROI, out, (3, 21)) == []
    picture = read(out)
    assert picture.shape[1] == 4 * ZOOM * SIZE[0] + 3 * GAP
    frames = stored(store, plan, "frames", "rgb")
    assert [t for t in range(N) if found(picture, frames[t])] == [3, 21]
    preview(store, plan, ROI, tmp_path / "again.png", (3, 21))
    assert (tmp_path / "again.png").read_bytes() == out.read_bytes()


def test_without_frames_named_four_are_chosen_apart_in_time(made: Manifest, tmp_path: Path) -> None:
    store, plan = planned(made)
    preview(store, plan, ROI, tmp_path / "a.png")
    picture = read(tmp_path / "a.png")
    frames = stored(store, plan, "frames", "rgb")
    chosen = [t for t in range(N) if found(picture, frames[t])]
    assert [t * 4 // N for t in chosen] == [0, 1, 2, 3]
    assert min(np.diff(chosen)) > 1


@pytest.mark.parametrize("width", [300, 700, 1920])
def test_a_picture_is_no_wider_than_asked(made: Manifest, tmp_path: Path, width: int) -> None:
    store, plan = planned(made)
    preview(store, plan, ROI, tmp_path / "a.png", width=width)
    assert read(tmp_path / "a.png").shape[1] <= width


def test_padding_is_left_out(tmp_path: Path) -> None:
    """A portrait in a landscape frame: the panels show the portrait."""
    place = (26, 0, 12, SIZE[1])
    frame = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    frame[:, 26:38] = 200
    sheet = Sheet("p.mp4", "", (24, 24), 1.0, place, 1920)
    picture = sheet.picture([("frame 0", {"rgb": frame})])
    panel = picture[-1, : ZOOM * 24]  # of the last row: 6 px of padding on each side stay
    assert picture.shape[1] == 4 * ZOOM * 24 + 3 * GAP
    assert (panel.mean(axis=1) > 190).sum() == ZOOM * 12


def test_a_film_shows_every_frame_at_the_videos_rate(made: Manifest, tmp_path: Path) -> None:
    store, plan = planned(made)
    preview(store, plan, ROI, tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as film:
        stream = film.streams.video[0]
        assert stream.average_rate == Fraction(120)
        shown = [f.to_ndarray(format="rgb24") for f in film.decode(stream)]
    frames = stored(store, plan, "frames", "rgb").astype(int)
    assert len(shown) == N
    height = ZOOM * SIZE[1]
    for picture, frame in zip(shown, frames, strict=True):
        small = cv2.resize(picture[-height:, : ZOOM * SIZE[0]], SIZE, interpolation=cv2.INTER_AREA)
        assert np.abs(small - frame).mean() < 12


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
