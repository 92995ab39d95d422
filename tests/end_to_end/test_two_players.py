"""A match of two rendered players, annotated per player: a track and samples for each, round that player."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from numpy.typing import NDArray

import ttprep
from pipeline.cli.main import main
from ttdemo import DemoMatch, render_match
from ttdemo.world.camera import Camera

SIZE = (320, 120)
SCRIPT = {
    "anna": ["Offensive Forehand Hit", "Defensive Backhand Push", "Serve Forehand Topspin"],
    "ben": ["Offensive Backhand Hit", "Offensive Forehand Loop"],
}
MANIFEST: dict[str, Any] = {
    "videos": [{"path": "match.mp4", "focus": {"anna": "left", "ben": "right"}}],
    "annotations": ["match.csv"],
    "store": "store",
    "dataset": "d.h5",
    "untrimmed": True,
    "modalities": ["rgb", "flow"],
    "cleaning": {"negatives": {"min_actions": 2, "min_frames": 10}},
    "stages": {
        "frames": {"width": SIZE[0], "height": SIZE[1]},
        "flow": {"method": "dis"},
        "roi": {"crop_width": 64, "crop_height": 64},
        "cuboids": {"crop_width": 64, "crop_height": 64, "length": 16},
        "untrimmed": {"crop_width": 64, "crop_height": 64},
    },
}
VIEWS = ["match.mp4 (anna)", "match.mp4 (ben)"]


#: the ball and a foot pull the centre out of the box of head, trunk and arms, px: an eighth of the crop
MARGIN = 8


def within(points: NDArray[Any], boxes: NDArray[Any], margin: float = 0) -> NDArray[np.bool_]:
    """Tell which points lie in their boxes."""
    low, high = boxes[:, :2] - margin, boxes[:, 2:] + margin
    return np.asarray(((points >= low) & (points <= high)).all(axis=1))


@dataclass
class Project:
    """A processed match."""

    folder: Path
    match: DemoMatch
    first: Result

    def call(self, *words: str, code: int = 0) -> str:
        """What a command says."""
        done = called(*words)
        assert done.exit_code == code, done.output
        return done.output


def called(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(main, words)


def set_manifest(**changes: Any) -> None:
    Path("data_manifest.yaml").write_text(yaml.safe_dump({**MANIFEST, **changes}))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("match")
    match = render_match(
        folder / "match.mp4", seed=3, strokes=SCRIPT, fps=40, size=SIZE, duration=(0.7, 0.9), gap=(0.3, 0.5)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        set_manifest()
        yield Project(folder, match, called("run", "--workers", "0"))


@pytest.fixture
def here(made: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture
def copied(made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The same, to be changed."""
    shutil.copytree(made.folder, tmp_path / "p", copy_function=shutil.copy2)
    monkeypatch.chdir(tmp_path / "p")
    return Project(tmp_path / "p", made.match, made.first)


def test_both_halves_are_the_same_in_every_process(here: Project, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"fps": 40, "size": SIZE, "duration": (0.7, 0.9), "gap": (0.3, 0.5)}
    again = render_match(tmp_path / "match.mp4", seed=3, strokes=SCRIPT, **settings)
    assert again.video.read_bytes() == here.match.video.read_bytes()
    assert again.annotations.read_bytes() == here.match.annotations.read_bytes()
    other = render_match(tmp_path / "other.mp4", seed=4, strokes=SCRIPT, **settings)
    assert other.video.read_bytes() != again.video.read_bytes()


def test_the_joints_in_space_are_those_in_the_picture(here: Project) -> None:
    for truth in here.match.truth.values():
        assert truth.world.shape == (here.match.n_frames, 13, 3)
        np.testing.assert_allclose(Camera(*truth.camera).project(truth.world), truth.joints, atol=0.02)
    left, right = (truth.joints[0, :, 0] for truth in here.match.truth.values())
    # both face us: the left shoulder of each is on the picture's right, also of who is seen in the mirror
    assert left[5] > left[6]
    assert right[5] > right[6]


def test_strokes_of_both_cross_over_in_time(here: Project) -> None:
    anna, ben = (here.match.strokes[player] for player in SCRIPT)
    assert any(a.begin < b.end and b.begin < a.end for a in anna for b in ben)


def test_what_both_share_is_made_once(here: Project) -> None:
    assert here.first.exit_code == 0, here.first.output
    names = [path.name.partition("-")[0] for path in Path("store/videos").rglob("*.h5")]
    counts = {name: names.count(name) for name in names}
    assert counts == {
        "frames": 1, "foreground": 1, "flow": 1, "statistics": 1, "roi": 2, "cuboids": 2, "untrimmed": 2,
        "quality": 2,
    }  # fmt: skip
    assert "nothing to do: all 12 results are there" in here.call("run", "--workers", "0")
    assert "0 files" in here.call("gc", "--dry-run")
    assert "0 damaged" in here.call("verify")


def test_each_track_follows_its_own_player(here: Project) -> None:
    store = ttprep.open("store", manifest="data_manifest.yaml")
    for player, truth in here.match.truth.items():
        centre = store[f"match.mp4 ({player})"].roi[["x", "y"]].to_numpy()
        assert within(centre, truth.box).mean() >= 0.9, player


def test_each_sample_is_round_its_own_player(here: Project) -> None:
    with h5py.File("d.h5") as file:
        names, players = (file["videos"][k].asstr()[()].tolist() for k in ("name", "player"))
        assert (names, players) == (VIEWS, ["anna", "ben"])
        assert file["videos/focus"].asstr()[()].tolist() == ["left", "right"]
        assert len(set(file["videos/sha256"][()].tolist())) == 1
        samples = file["samples"]
        who, label, ids = (samples[k].asstr()[()].tolist() for k in ("player", "label_name", "id"))
        assert sorted((w, s) for w, s in zip(who, label, strict=True) if s != "Negative") == sorted(
            (player, move) for player, moves in SCRIPT.items() for move in moves
        )
        assert all(f"/{player}:" in sample for player, sample in zip(who, ids, strict=True))
        for row, player in enumerate(who):
            assert names[samples["video"][row]] == f"match.mp4 ({player})"
            rows = slice(samples["first"][row], samples["first"][row] + samples["rows"][row])
            frames, roi = file["cuboids/frame"][rows], file["cuboids/roi"][rows]
            box = here.match.truth[player].box[frames]
            assert within(roi, box).mean() >= 0.8, ids[row]
            assert within(roi, box, MARGIN).all(), ids[row]
        for row, name in enumerate(names):
            first, n = int(file["videos/first"][row]), int(file["videos/rows"][row])
            assert n == here.match.n_frames
            x = file["untrimmed/roi"][first : first + n, 0]
            assert (x < SIZE[0] / 2).all() if "anna" in name else (x > SIZE[0] / 2).all()


def test_the_card_counts_a_video_once(here: Project) -> None:
    card = Path("d.md").read_text()
    assert " samples of 1 videos " in card
    hours = here.match.n_frames / float(here.match.fps) / 3600
    assert f"| hours of video | {hours:.3f} |" in card
    with h5py.File("d.h5") as file:
        assert file["statistics"].attrs["fields"] == here.match.n_frames - 1


def test_frames_are_labelled_by_the_strokes_of_the_player(here: Project) -> None:
    with h5py.File("d.h5") as file:
        classes = json.loads(file.attrs["classes"])
        for row, player in enumerate(SCRIPT):
            first, n = int(file["videos/first"][row]), int(file["videos/rows"][row])
            label = file["untrimmed/label"][first : first + n]
            wanted = np.full(n, classes.index("Negative"))
            for s in here.match.strokes[player]:
                wanted[s.begin : s.end] = classes.index(s.move)
            np.testing.assert_array_equal(label, wanted)


def test_tables_and_messages_name_the_player(here: Project) -> None:
    assert all(name in here.call("status") for name in VIEWS)
    found = json.loads(here.call("status", "--json"))["videos"]
    assert [(v["name"], v["player"], v["focus"]) for v in found] == [
        (VIEWS[0], "anna", "left"), (VIEWS[1], "ben", "right"),
    ]  # fmt: skip
    assert found[0]["results"]["flow"]["key"] == found[1]["results"]["flow"]["key"]
    assert found[0]["results"]["roi"]["path"] != found[1]["results"]["roi"]["path"]
    assert "has 2 results of roi; name `match.mp4 (anna)`" in here.call("path", "match.mp4", "roi", code=2)
    paths = [here.call("path", f"match.mp4 ({player})", "roi").strip() for player in SCRIPT]
    assert paths == [v["results"]["roi"]["path"] for v in found]
    table = here.call("table", "roi")
    assert all(f"\n{name},0," in table for name in VIEWS)


def test_a_preview_asks_whom_to_draw(here: Project, tmp_path: Path) -> None:
    picture = str(tmp_path / "p.png")
    said = here.call("preview", "match.mp4", "-o", picture, code=2)
    assert "has 2 players; name one with --player (anna, ben)" in said
    here.call("preview", "match.mp4", "-o", picture, "--player", "Anna")
    anna = Path(picture).read_bytes()
    here.call("preview", VIEWS[1], "-o", picture)
    assert Path(picture).read_bytes() != anna
    here.call("preview", "match.mp4", "-o", str(tmp_path / "all"))
    assert sorted(os.listdir(tmp_path / "all")) == ["match (anna).png", "match (ben).png"]


def test_the_report_has_a_page_for_each(here: Project) -> None:
    built = json.loads(here.call("report", "--json"))
    assert [v["video"] for v in built["videos"]] == VIEWS
    assert len({v["page"] for v in built["videos"]}) == 2
    assert not any(odd["title"] == "looks like another video" for v in built["videos"] for odd in v["odd"])


def test_the_library_asks_which_player_is_meant(here: Project) -> None:
    for manifest, names in ((None, {"left", "right"}), ("data_manifest.yaml", {"anna", "ben"})):
        store = ttprep.open("store", manifest=manifest)
        video = store["match.mp4"]
        assert set(video.players) == names
        assert len(video.flow) == here.match.n_frames - 1
        with pytest.raises(ttprep.MissingResult, match="roi is there for"):
            _ = video.roi
        with pytest.raises(ttprep.MissingResult, match="is there for"):
            video.to_xarray()
        left, right = (video.of(name).roi["x"].mean() for name in sorted(names))
        assert left < SIZE[0] / 2 < right
        with pytest.raises(ttprep.UnknownVideo, match="no player or focus 'carl'"):
            store["match.mp4 (carl)"]


def test_a_damaged_result_of_both_is_made_anew_once(copied: Project) -> None:
    flow = next(Path("store/videos").rglob("flow-*.h5"))
    whole = flow.read_bytes()
    flow.write_bytes(whole[: len(whole) // 2])
    copied.call("verify", code=1)
    said = json.loads(called("run", "--workers", "0", "--json").stdout)
    assert [(o["stage"], o["state"]) for o in said["outcomes"]] == [("flow", "done")]
    assert flow.read_bytes() == whole


def test_what_one_player_lacks_costs_the_other_nothing(copied: Project) -> None:
    for path in Path("store/videos").rglob("roi-*"):
        path.unlink()
    boxes = {"anna": "left", "ben": "right"}
    region = {**MANIFEST["stages"]["roi"], "region": [0, 0, 0.5, 1]}
    set_manifest(videos=[{"path": "match.mp4", "focus": boxes}], stages={**MANIFEST["stages"], "roi": region})
    said = copied.call("run", "--workers", "0", code=3)
    assert "match.mp4 (ben): the focus of this video lies outside stages.roi.region" in said
    assert "match.mp4 (anna)" not in "".join(line for line in said.splitlines() if "failed:" in line)
    copied.call("export", "e.h5", code=3)
    with h5py.File("e.h5") as file:
        assert file["videos/name"].asstr()[()].tolist() == VIEWS[:1]
        assert set(file["samples/player"].asstr()[()].tolist()) == {"anna"}
    assert "left out: match.mp4 (ben): roi failed" in Path("e.md").read_text().replace("Left", "left")


def test_another_focus_of_one_player_leaves_the_other_alone(copied: Project) -> None:
    set_manifest(videos=[{"path": "match.mp4", "focus": {"anna": "left", "ben": [0.55, 0, 1, 1]}}])
    todo = json.loads(copied.call("plan", "--json", code=4))["to_do"]
    assert {t["video"] for t in todo} == {VIEWS[1]}
    assert {t["stage"] for t in todo} == {"roi", "quality", "cuboids", "untrimmed"}
    copied.call("run", "--workers", "0")
    assert "8 files" in copied.call("gc", "--yes")
    assert "nothing to do" in copied.call("run", "--workers", "0")


def test_a_stroke_of_nobody_is_a_finding_and_no_sample(copied: Project) -> None:
    text = Path("match.csv").read_text()
    end = copied.match.n_frames
    Path("match.csv").write_text(f"{text}match.mp4,{end - 40},{end - 5},Offensive Forehand Hit,carl\n")
    line = text.count("\n") + 1
    said = copied.call("run", "--workers", "0")
    where = f"match.csv:{line}: unknown-player: "
    assert where in said
    assert "has the players anna, ben, and the player 'carl' is none of them" in said
    assert where in copied.call("annotations", "match.csv")
    assert "is up to date" in copied.call("export", "d.h5")


def test_splits_by_video_keep_both_players_together(copied: Project) -> None:
    set_manifest(splits={"by": "video"})
    copied.call("export", "d.h5")
    with h5py.File("d.h5") as file:
        assert len(set(file["samples/split"][()].tolist())) == 1
    dealing = pytest.importorskip("tttrain.evaluation.folds.dealing")
    info = pytest.importorskip("tttrain.data.dataset_file").read_info("d.h5")
    assert len(set(dealing.groups_of(info, "video").tolist())) == 1
