"""Trials as folders of pictures, folders of clips: order, damage, joints, labels, what a change touches."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import h5py
import hdf5plugin  # noqa: F401  (registers the codecs)
import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from pipeline.dataset import export
from pipeline.errors import SOME_FAILED, USAGE, UserError
from pipeline.inputs.joints import joint_index, read_joints
from pipeline.inputs.labels import read_labels
from pipeline.inputs.manifest import read_manifest
from pipeline.planning.request import Request
from pipeline.planning.survey import survey
from stages.base import Block, SourceFile, StageError, VideoInfo
from stages.descriptor import JOINTS
from stages.frames import STAGE as FRAMES
from stages.frames.folder import natural_key, numbering_faults, pictures_of, place_joints
from stages.frames.rotation_and_fit import Fit, geometry
from stages.frames.stage import FramesParams
from stages.registry import registry
from store import Store
from tests.support import ROOT
from tests.support.command_line import as_json, debris, stage_files, ttprep, write_clip

N = 24
SIZE = (96, 64)
MANIFEST = """\
version: 1
store: store
sources:
  - {{kind: frames, path: trials, fps: 30{more}}}
classes: [Left, Right]
modalities: [rgb, pose]
cleaning: {{negatives: {{enabled: false}}}}
stages:
  frames: {{width: 96, height: 64}}
  flow: {{method: dis}}
  roi: {{crop_width: 40, crop_height: 40}}
  cuboids: {{crop_width: 40, crop_height: 40, length: 20, rotation: 0, translation: 0, zoom: 0}}
"""


def read_picture(path: str) -> NDArray[np.uint8]:
    picture = cv2.imread(path)
    assert picture is not None, path
    return np.asarray(picture, np.uint8)


def pictures(n: int = N, seed: int = 0, start: int = 6) -> list[NDArray[np.uint8]]:
    """A textured square that stands still, then moves; RGB."""
    rng = np.random.default_rng(seed)
    width, height = SIZE
    scene = rng.integers(60, 120, (height, width, 3), dtype=np.uint8)
    patch = rng.integers(150, 255, (20, 20, 3), dtype=np.uint8)
    out = []
    for t in range(n):
        frame = scene.copy()
        x = 8 + 4 * max(0, t - start) % (width - 30)
        frame[20:40, x : x + 20] = patch
        out.append(frame)
    return out


def write_trial(
    folder: Path, frames: Sequence[NDArray[np.uint8]] | None = None, name: str = "{:03d}.png", seed: int = 0
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for t, frame in enumerate(pictures(seed=seed) if frames is None else frames):
        assert cv2.imwrite(str(folder / name.format(t)), frame[..., ::-1])
    return folder


def positions(n: int = N, seed: int = 0) -> NDArray[np.float64]:
    """x, y, score of 13 joints that follow the square."""
    rng = np.random.default_rng(seed)
    base = rng.uniform((10, 10), (40, 50), (13, 2))
    moved = base + np.stack([4.0 * np.maximum(0, np.arange(n) - 6), np.zeros(n)], -1)[:, None] % 60
    return np.concatenate([moved, np.full((n, 13, 1), 0.9)], axis=-1)


def write_joints(path: Path, joints: NDArray[np.float64] | None = None) -> Path:
    joints = positions() if joints is None else joints
    header = "frame," + ",".join(f"{j}_{c}" for j in JOINTS for c in ("x", "y", "score"))
    rows = [f"{t}," + ",".join(f"{v:.3f}" for v in row.ravel()) for t, row in enumerate(joints)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def decode_folder(folder: Path, joints: NDArray[np.float64] | None = None, **params: Any) -> dict[str, Any]:
    """The frames stage on a folder, as one dictionary of whole arrays."""
    source = SourceFile(folder, joints)
    values = FramesParams(**{"width": SIZE[0], "height": SIZE[1], "fps": 30, **params})
    parts = list(FRAMES.compute(iter([Block(0, 7, 0, {}, source)]), values, VideoInfo()))
    return {**{k: np.concatenate([p[k] for p in parts]) for k in parts[0]}, "attrs": parts[-1].attrs}


# -- order and damage ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["{}.png", "frame_{}.png", "trial 2 - {} of 24.PNG", "{:05d}.png"])
def test_frames_come_in_natural_order_and_bit_for_bit(tmp_path: Path, name: str) -> None:
    frames = pictures()
    out = decode_folder(write_trial(tmp_path / "t", frames, name))
    assert np.array_equal(out["rgb"], np.stack(frames))
    np.testing.assert_allclose(out["time"], np.arange(N) / 30)
    assert (out["attrs"]["fps"], out["attrs"]["fit"], out["attrs"]["frames_claimed"]) == (30, "exact", N)


def test_names_are_ordered_by_their_numbers() -> None:
    names = ["b1", "a10", "a9", "a09b", "A11", "10", "9"]
    assert sorted(names, key=natural_key) == ["9", "10", "a9", "a09b", "a10", "A11", "b1"]


def test_jpeg_has_the_colours_of_the_picture(tmp_path: Path) -> None:
    frame = np.zeros((64, 96, 3), np.uint8)
    frame[:, :48], frame[:, 48:] = (200, 40, 30), (20, 90, 210)
    write_trial(tmp_path / "t", [frame] * 3, "{}.jpg")
    rgb = decode_folder(tmp_path / "t")["rgb"].astype(int)
    for part, colour in ((rgb[:, 8:56, 8:40], (200, 40, 30)), (rgb[:, 8:56, 56:88], (20, 90, 210))):
        assert np.abs(part - colour).max() <= 4


def test_other_shapes_are_fitted_as_videos_are(tmp_path: Path) -> None:
    frames = [np.asarray(cv2.resize(f, (64, 64)), np.uint8) for f in pictures(4)]
    out = decode_folder(write_trial(tmp_path / "t", frames))
    assert out["attrs"]["fit"] == "pad"
    assert out["attrs"]["picture_x_y_w_h"] == [16, 0, 64, 64]
    assert out["rgb"][:, :, :16].max() == 0
    assert np.array_equal(out["rgb"][:, :, 16:80], np.stack(frames))


@pytest.mark.parametrize(
    ("names", "faults"),
    [
        (["1.png", "2.png", "4.png"], ["a frame is missing between 2.png and 4.png"]),
        (["a_08.png", "a_10.png", "a_12.png"], []),
        (
            ["a_08.png", "a_10.png", "a_11.png", "a_12.png"],
            ["a frame is missing between a_08.png and a_10.png"],
        ),
        (["1.png", "01.png", "2.png"], ["01.png and 1.png have the same number"]),
        (["1.jpg", "1.png"], ["1.jpg and 1.png are two pictures of one name"]),
        (["back.png", "front.png"], []),
        (["p1_1.png", "p1_2.png", "p2_1.png"], []),
        (["5.png"], []),
    ],
)
def test_gaps_in_the_numbering(names: list[str], faults: list[str]) -> None:
    assert numbering_faults(sorted(names, key=natural_key)) == faults


def spoil(trial: Path, case: str) -> None:
    victim = trial / "011.png"
    data = victim.read_bytes()
    if case == "cut short":
        victim.write_bytes(data[: len(data) // 2])
    elif case == "flipped bit":
        victim.write_bytes(data[:400] + bytes([data[400] ^ 1]) + data[401:])
    elif case == "empty":
        victim.write_bytes(b"")
    elif case == "text":
        victim.write_text("no picture\n" * 20)
    elif case == "missing":
        victim.unlink()
    elif case == "other size":
        cv2.imwrite(str(victim), np.zeros((48, 96, 3), np.uint8))
    elif case == "other kind":
        frame = read_picture(str(victim))
        victim.unlink()
        cv2.imwrite(str(trial / "011.jpg"), frame)
    elif case == "cut JPEG":
        victim.unlink()
        for path in pictures_of(trial):
            cv2.imwrite(str(path.with_suffix(".jpg")), read_picture(str(path)))
            path.unlink()
        cv2.imwrite(str(trial / "011.jpg"), pictures()[11])
        jpeg = (trial / "011.jpg").read_bytes()
        (trial / "011.jpg").write_bytes(jpeg[: len(jpeg) * 2 // 3])


CASES = {
    "cut short": "011.png: cut short",
    "flipped bit": "011.png: checksum",
    "empty": "011.png: the file is empty",
    "text": "011.png: not a PNG",
    "missing": "a frame is missing between 010.png and 012.png",
    "other size": "011.png has 96x48 px, those before it 96x64",
    "other kind": "011.jpg has pixels of yuv",
    "cut JPEG": "011.jpg: cut short",
}


@pytest.mark.parametrize("case", CASES)
def test_a_damaged_trial_fails_in_one_line_and_the_others_finish(tmp_path: Path, case: str) -> None:
    for name, seed in (("good", 1), ("bad é", 2)):
        write_trial(tmp_path / "trials" / name, seed=seed)
    spoil(tmp_path / "trials" / "bad é", case)
    (tmp_path / "data_manifest.yaml").write_text(MANIFEST.format(more=""))
    done = ttprep("run", "--workers", "0", "--stage", "frames", cwd=tmp_path)
    assert done.returncode == SOME_FAILED, done.stdout + done.stderr
    (line,) = [x for x in done.stdout.splitlines() if x.startswith("failed: ")]
    assert "bad é" in line
    assert CASES[case] in line
    assert "; " in line, "a remedy follows the reason"
    assert len(stage_files(tmp_path / "store")) == 1
    assert not debris(tmp_path / "store")

    shutil.rmtree(tmp_path / "trials" / "bad é")
    write_trial(tmp_path / "trials" / "bad é", seed=2)
    assert ttprep("run", "--workers", "0", "--stage", "frames", cwd=tmp_path).returncode == 0
    assert len(stage_files(tmp_path / "store")) == 2


def test_on_request_what_is_there_is_kept(tmp_path: Path) -> None:
    trial = write_trial(tmp_path / "t")
    spoil(trial, "cut short")
    joints = positions()
    out = decode_folder(trial, joints, damaged="keep")
    kept = [t for t in range(N) if t != 11]
    assert np.array_equal(out["rgb"], np.stack(pictures())[kept])
    np.testing.assert_allclose(out["time"], np.array(kept) / 30)
    np.testing.assert_allclose(out["keypoints"][:, 0, :13], joints[kept, :, :2], atol=1e-4)
    assert out["attrs"]["faults"] == ["011.png: cut short"]


def test_pictures_need_a_frame_rate_and_a_folder_needs_pictures(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="states no frame rate"):
        decode_folder(write_trial(tmp_path / "t"), fps=None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(StageError, match="is a directory"):
        decode_folder(tmp_path / "empty")


# -- joints ----------------------------------------------------------------------------------


def test_every_form_of_joints_reads_the_same(tmp_path: Path) -> None:
    joints = positions(5).round(3)
    write_joints(tmp_path / "wide.csv", joints)
    long = ["frame,joint,x,y,score"]
    for t in (3, 1, 0, 2, 4):  # any order
        for j, name in enumerate(JOINTS):
            long.append(f"{10 + t},{name},{','.join(map(str, joints[t, j]))}")
            long.append(f"{10 + t},left_knee,1,2,1")
    (tmp_path / "long.csv").write_text("\n".join(long))
    by_name = [{name: frame[j].tolist() for j, name in enumerate(JOINTS)} for frame in joints]
    (tmp_path / "names.json").write_text(json.dumps(by_name))
    camel = ["".join(w.capitalize() for w in n.split("_")[::-1]) for n in JOINTS]  # WristLeft
    (tmp_path / "table.json").write_text(json.dumps({"joints": camel, "frames": joints.tolist()}))
    (tmp_path / "list.json").write_text(json.dumps(joints.tolist()))
    seventeen = np.concatenate([joints, np.ones((5, 4, 3))], axis=1)
    np.save(tmp_path / "thirteen.npy", joints)
    np.save(tmp_path / "seventeen.npy", seventeen.astype(np.float32))
    for path in sorted(tmp_path.iterdir()):
        np.testing.assert_allclose(read_joints(path), joints, rtol=1e-6, err_msg=path.name)


def test_joints_without_a_score_count_and_missing_ones_do_not(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "nose_x,nose_y,LeftWrist.X,LeftWrist.Y,Head_x,Head_y\n1,2,3,4,5,6\n7,8,,,9,9\n"
    )
    out = read_joints(tmp_path / "a.csv")
    left = JOINTS.index("left_wrist")
    assert out.shape == (2, 13, 3)
    assert out[0, 0].tolist() == [1, 2, 1]
    assert out[0, left].tolist() == [3, 4, 1]
    assert out[1, left].tolist() == [0, 0, 0]
    assert out[:, [j for j in range(13) if j not in (0, left)]].max() == 0


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "", ["a.csv:", "empty"]),
        ("a.csv", "x,y\n1,2\n", ["a.csv:1:", "no column is named after a joint"]),
        ("a.csv", "nose_x,nose_y\n1\n", ["a.csv:2:", "1 cells under 2 columns"]),
        ("a.csv", "nose_x,nose_y\n1,2\n1,two\n", ["a.csv:3:", "'two' is no number"]),
        ("a.csv", "nose_x\n1\n", ["a.csv:1:", "nose", "none for y"]),
        ("a.csv", "nose_x,nose_y,Nose_X\n1,2,3\n", ["a.csv:1:", "the same joint"]),
        ("a.csv", "frame,nose_x,nose_y\n1,1,1\n1,2,2\n", ["a.csv:3:", "frame 1 comes after frame 1"]),
        ("a.csv", "frame,joint,x,y\n0,nose,1,1\n0,nose,1,1\n", ["a.csv:3:", "second time"]),
        ("a.json", "[[1, 2\n", ["a.json:2:"]),
        ("a.json", "{}", ["no list of frames"]),
        ("a.json", '[{"nose": [1]}]', ["[x, y]"]),
        ("a.json", '[{"nose": [1, 2]}, {"nose": [1, "x"]}]', ["frame 1", "not of numbers", "'x'"]),
        ("a.json", "[[[1,2],[3,4]]]", ["13 or 17"]),
        ("a.json", "[" * 100_000, ["a.json"]),
        ("a.npy", "nonsense", ["a.npy"]),
        ("a.txt", "1 2 3", [".csv, .json and .npy"]),
    ],
)
def test_bad_joints_give_one_line(tmp_path: Path, name: str, text: str, words: list[str]) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(StageError) as caught:
        read_joints(tmp_path / name)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert "; " in message
    for word in words:
        assert word in message


def test_npy_with_objects_or_other_shapes_is_refused(tmp_path: Path) -> None:
    for values in (
        np.array([{}], object),
        np.zeros((4, 12, 2)),
        np.zeros((4, 13)),
        np.zeros((2, 13, 2), "U3"),
    ):
        np.save(tmp_path / "a.npy", values, allow_pickle=True)
        with pytest.raises(StageError, match=r"a\.npy"):
            read_joints(tmp_path / "a.npy")


def test_names_of_joints() -> None:
    for name in ("left_wrist", "LeftWrist", "WristLeft", "wrist-left", "L_WRIST", "left wrist"):
        assert joint_index(name) == JOINTS.index("left_wrist"), name
    for name in ("left", "wrist", "left_knee", "", "SpineBase", "head"):
        assert joint_index(name) is None, name


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("coded", [(192, 128), (120, 90), (90, 120)])
def test_joints_land_where_the_picture_shows_them(fit: Fit, turns: int, coded: tuple[int, int]) -> None:
    """A bright spot is drawn, the picture goes the way that pictures go, and the spot is found again."""
    import av

    from stages.frames.rotation_and_fit import Colour, to_rgb

    shown = coded[::-1] if turns % 2 else coded
    spot = np.array([shown[0] * 0.55, shown[1] * 0.42])
    picture = np.zeros((shown[1], shown[0]), np.float32)
    y, x = np.mgrid[: shown[1], : shown[0]]
    picture += 255 * np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / (2 * 4.0**2))
    as_coded = np.rot90(np.rint(picture).astype(np.uint8), -turns)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.dstack([as_coded] * 3)), format="rgb24")
    plan = geometry(coded, SIZE, 90 * turns, Fraction(1), fit)
    stored = to_rgb(frame, plan, Colour(0, True, False))[..., 0].astype(float)
    v, u = np.mgrid[: SIZE[1], : SIZE[0]]
    seen = np.array([(stored * u).sum(), (stored * v).sum()]) / stored.sum()
    given = np.zeros((1, 13, 3))
    given[0, 2] = (*spot, 0.7)
    out = place_joints(given, coded, plan)
    np.testing.assert_allclose(out["keypoints"][0, 0, 2], seen, atol=0.15)
    assert out["keypoint_scores"][0, 0].tolist() == pytest.approx([0, 0, 0.7, *[0] * 14])
    np.testing.assert_array_equal(out["keypoints"][0, 0, 5], out["keypoints"][0, 0, 2])  # not given: the mean
    assert out["n_poses"].tolist() == [1]


def test_nobody_in_a_frame_is_nobody() -> None:
    plan = geometry(SIZE, SIZE, 0, Fraction(1), "pad")
    joints = positions(2)
    joints[1] = 0
    out = place_joints(joints, SIZE, plan)
    assert out["n_poses"].tolist() == [1, 0]
    assert out["keypoints"][1].max() == out["pose_scores"][1].max() == 0
    np.testing.assert_allclose(out["pose_scores"][0], 0.9, rtol=1e-6)


def test_too_few_rows_of_joints(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=f"{N} pictures, but joints of 20 frames"):
        decode_folder(write_trial(tmp_path / "t"), positions(20))


def test_where_a_picture_is_missing_that_is_why_joints_do_not_fit(tmp_path: Path) -> None:
    trial = write_trial(tmp_path / "t")
    spoil(trial, "missing")
    with pytest.raises(StageError) as caught:
        decode_folder(trial, positions())
    assert "23 pictures (a frame is missing between 010.png and 012.png), but joints of 24" in str(
        caught.value
    )


# -- through the pipeline --------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four trials with joints and labels."""
    lines = ["file,label,player"]
    for i, label in enumerate(("left", "right", "left", "right")):
        trial = write_trial(tmp_path / "trials" / f"p{i % 2} t{i}", seed=i)
        write_joints(trial / "joints.csv", positions(seed=i))
        lines.append(f"p{i % 2} t{i},{label},p{i % 2}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    more = ", joints: joints.csv, labels: labels.csv"
    (tmp_path / "data_manifest.yaml").write_text(MANIFEST.format(more=more))
    return tmp_path


def run(folder: Path, *more: str, workers: int = 0) -> Any:
    done = ttprep(
        "run", "--workers", workers, *more, cwd=folder, env={"TTPREP_POSENET_WEIGHTS": str(folder / "none")}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def exported(folder: Path, name: str = "d.h5") -> dict[str, list[Any]]:
    """Columns of /samples, exported anew, with the videos' names."""
    manifest = read_manifest(folder / "data_manifest.yaml")
    store = Store.open(folder / "store")
    overview = survey(Request(manifest, folder / "store"), store, Console(stderr=True, quiet=True))
    made = export(manifest, store, overview.sources, overview.plans, folder / name, samples=overview.samples)
    with h5py.File(made.path) as file:
        columns = {name: data[()].tolist() for name, data in file["samples"].items()}
        samples: dict[str, list[Any]] = {
            k: [v.decode() if isinstance(v, bytes) else v for v in values] for k, values in columns.items()
        }
        names = [v.decode() for v in file["videos/name"][()]]
        samples["name"] = [names[v] for v in samples["video"]]
        spans = [slice(f, f + n) for f, n in zip(samples["first"], samples["rows"], strict=True)]
        for array in set(file["cuboids"]) & {"rgb", "pose", "window"}:
            samples[array] = [file[f"cuboids/{array}"][span] for span in spans]
        samples["classes"] = json.loads(file.attrs["classes"])
    return samples


def test_given_joints_replace_the_network_and_reach_the_dataset(folder: Path) -> None:
    run(folder)
    made = {Path(p).name.split("-")[0] for p in stage_files(folder / "store")}
    assert made == {"frames", "foreground", "flow", "roi", "statistics", "descriptor", "quality", "cuboids"}
    samples = exported(folder)
    assert samples["name"] == [f"trials/p{i % 2} t{i}" for i in (0, 2, 1, 3)]
    assert samples["label_name"] == ["Left", "Left", "Right", "Right"]
    assert [samples["classes"][i] for i in samples["label"]] == ["Left", "Left", "Right", "Right"]
    assert samples["player"] == ["p0", "p0", "p1", "p1"]
    assert (samples["begin"], samples["end"], samples["rows"]) == ([0] * 4, [N] * 4, [N] * 4)
    for row, seed in enumerate((0, 2, 1, 3)):
        pose, joints = samples["pose"][row], positions(seed=seed)
        np.testing.assert_allclose(pose[:, 1:], joints, atol=2e-3)
        np.testing.assert_allclose(pose[:, 0, :2], joints[..., :2].mean(axis=1), atol=2e-3)
        x, y = samples["window"][row][0]
        assert np.array_equal(samples["rgb"][row][0], pictures(seed=seed)[0][y : y + 40, x : x + 40])


def test_a_change_of_one_trial_touches_that_trial_alone(folder: Path) -> None:
    run(folder)
    before = stage_files(folder / "store")
    assert ttprep("plan", cwd=folder).stdout == ""
    trial = folder / "trials" / "p1 t1"

    frame = read_picture(str(trial / "005.png"))
    frame[0, 0] ^= 255
    cv2.imwrite(str(trial / "005.png"), frame)
    plan = as_json(ttprep("plan", "--json", cwd=folder))
    assert {p["video"] for p in plan["to_do"]} == {"trials/p1 t1"}
    assert "frames" in {p["stage"] for p in plan["to_do"]}
    run(folder)
    now = stage_files(folder / "store")
    assert before.items() <= now.items()
    assert len({Path(p).parent.name for p in now}) == 5  # four trials, one of them in two versions

    joints = positions(seed=1)
    joints[3, 4, 0] += 2
    write_joints(trial / "joints.csv", joints)
    plan = as_json(ttprep("plan", "--json", cwd=folder))
    assert {p["video"] for p in plan["to_do"]} == {"trials/p1 t1"}


def test_touching_renaming_and_relabelling_compute_nothing(folder: Path) -> None:
    run(folder)
    samples = exported(folder)
    trials = folder / "trials"
    for path in trials.rglob("*.png"):
        os.utime(path)
    (trials / "p1 t3").rename(trials / "elsewhere")
    text = (folder / "labels.csv").read_text()
    (folder / "labels.csv").write_text(text.replace("p1 t3,right", "elsewhere,left"))
    (trials / "elsewhere" / "notes.txt").write_text("not a picture")
    assert ttprep("plan", cwd=folder).returncode == 0
    again = exported(folder)
    assert dict(zip(again["id"], again["label_name"], strict=True)) == {
        **dict(zip(samples["id"], samples["label_name"], strict=True)), samples["id"][3]: "Left"
    }  # fmt: skip


def test_renamed_pictures_are_another_trial(folder: Path) -> None:
    run(folder, "--stage", "frames")
    trial = folder / "trials" / "p0 t0"
    (trial / "010.png").rename(trial / "x")
    (trial / "014.png").rename(trial / "010.png")
    (trial / "x").rename(trial / "014.png")  # the same bytes in another order
    plan = as_json(ttprep("plan", "--stage", "frames", "--json", cwd=folder))
    assert [p["video"] for p in plan["to_do"]] == ["trials/p0 t0"]


def test_paths_may_name_single_trials(folder: Path) -> None:
    done = as_json(ttprep("plan", "--stage", "roi", "--json", "trials/p0 t2", cwd=folder))
    assert {p["video"] for p in done["to_do"]} == {"trials/p0 t2"}
    done = as_json(ttprep("plan", "--stage", "frames", "--json", ".", cwd=folder))
    assert {p["video"] for p in done["to_do"]} == {f"trials/p{i % 2} t{i}" for i in range(4)}
    lost = ttprep("plan", "--stage", "frames", "trials/none", cwd=folder)
    assert "no such file or folder" in lost.stdout


def test_a_trial_without_its_joints_fails_alone(folder: Path) -> None:
    (folder / "trials" / "p0 t0" / "joints.csv").unlink()
    write_joints(folder / "trials" / "p1 t1" / "joints.csv", positions(20))
    done = ttprep("run", "--workers", "0", "--stage", "descriptor", cwd=folder)
    assert done.returncode == SOME_FAILED
    lines = [x for x in done.stdout.splitlines() if x.startswith("failed: ")]
    assert len(lines) == 2
    assert any("p0 t0: joints.csv cannot be read" in x for x in lines)
    assert any("p1 t1" in x and "joints of 20 frames" in x for x in lines)
    assert len([p for p in stage_files(folder / "store") if "descriptor" in p]) == 2


def test_joints_may_lie_elsewhere(folder: Path) -> None:
    (folder / "joints").mkdir()
    for trial in (folder / "trials").iterdir():
        shutil.move(trial / "joints.csv", folder / "joints" / f"{trial.name}.csv")
    text = (folder / "data_manifest.yaml").read_text()
    (folder / "data_manifest.yaml").write_text(text.replace("joints.csv", '"../../joints/{trial}.csv"'))
    run(folder, "--stage", "descriptor")
    assert len([p for p in stage_files(folder / "store") if "descriptor" in p]) == 4


def test_serial_equals_parallel(folder: Path) -> None:
    run(folder, workers=2)
    run(folder, "--store", "other")
    assert stage_files(folder / "store") == stage_files(folder / "other")


# -- start frames ----------------------------------------------------------------------------


def with_start(folder: Path, **start: float) -> None:
    """Samples from the start frame on; the square is found to set off."""
    text = (folder / "data_manifest.yaml").read_text().replace("labels.csv}", "labels.csv, sample: start}")
    values = {"still_seconds": 0.1, "growing_seconds": 0.1, **start}
    (folder / "data_manifest.yaml").write_text(text + f"  start: {json.dumps(values)}\n")


def test_samples_begin_at_the_start_frame(folder: Path) -> None:
    with_start(folder)
    done = run(folder)
    assert ttprep("plan", cwd=folder).returncode == 0
    samples = exported(folder)
    # still up to frame 6: with three frames of growth the first that moved enough is 7 or 8
    assert all(b in (7, 8) for b in samples["begin"])
    assert samples["end"] == [N] * 4
    assert samples["rows"] == [20] * 4  # T, reaching back before the start, which is said
    assert "4 with less than 20 frames from the start on: trials/p0 t0, " in done.stderr
    manifest = read_manifest(folder / "data_manifest.yaml")
    store = Store.open(folder / "store")
    overview = survey(Request(manifest, folder / "store"), store, Console(stderr=True, quiet=True))
    for source in overview.sources:
        plan = {p.node.stage.name: p for p in overview.plans[source.sha256]}
        with store.reader(plan["start"].node.slot) as reader:
            assert np.flatnonzero(reader.read("start")).tolist() == [overview.samples.starts[source.sha256]]


def test_a_trial_without_start_is_reported_and_is_no_sample(folder: Path) -> None:
    still = folder / "trials" / "p0 t2"
    shutil.rmtree(still)
    write_trial(still, [pictures(seed=2)[0]] * N)
    write_joints(still / "joints.csv", positions(seed=2))
    with_start(folder)
    done = run(folder)
    notes = [x for x in done.stderr.splitlines() if "no start frame found" in x]
    assert len(notes) == 1
    assert "trials/p0 t2" in notes[0]
    assert "its picture never changes by 6" in notes[0]
    again = as_json(ttprep("run", "--workers", "0", "--json", cwd=folder))
    assert [n for n in again["notes"] if "no start frame found" in n] == [notes[0].removeprefix("note: ")]
    assert exported(folder)["name"] == ["trials/p0 t0", "trials/p1 t1", "trials/p1 t3"]
    status = ttprep("status", cwd=folder).stdout
    (row,) = [x for x in status.splitlines() if "│" in x and "p0 t2" in x]
    assert "–" in row, "no cuboids are made of it, and none are kept"
    for words in (("plan",), ("export", "e.h5")):
        assert notes[0] in ttprep(*words, cwd=folder).stderr
    picture = ttprep("preview", "trials/p0 t2", "-o", "no start.png", "--start", cwd=folder)
    assert picture.returncode == 0
    assert "no start: its picture never changes" in picture.stderr
    found = ttprep("preview", "trials/p0 t0", "-o", "start.png", "--start", cwd=folder)
    assert "start: frame " in found.stderr
    for name in ("no start.png", "start.png"):
        image = read_picture(str(folder / name))
        assert image.shape[1] == 1200
        assert image.std() > 20


def test_an_export_without_any_start_says_what_is_lacking(folder: Path) -> None:
    with_start(folder, picture=10_000)
    done = run(folder)
    assert done.stderr.count("no start frame found") == 4
    lost = ttprep("export", "e.h5", cwd=folder)
    assert lost.returncode == 1
    assert "no sample to export" in lost.stderr
    assert "a start frame" in lost.stderr


def test_start_is_for_trials_that_ask_for_it(folder: Path) -> None:
    run(folder)
    assert not [p for p in stage_files(folder / "store") if "start" in Path(p).name]
    picture = ttprep("preview", "trials/p0 t0", "-o", "a.png", "--start", cwd=folder)
    assert picture.returncode == 1
    assert "ttprep run --stage start" in picture.stderr
    run(folder, "--stage", "start")  # on request it is computed all the same
    assert len([p for p in stage_files(folder / "store") if "start" in Path(p).name]) == 4


# -- clips and labels ------------------------------------------------------------------------

CLIPS = """\
version: 1
store: store
sources: [{{kind: clips, path: clips, labels: {labels}}}]
classes: [Serve, Smash]
modalities: [rgb]
stages:
  flow: {{method: dis}}
  cuboids: {{length: 30}}
"""


def test_clips_are_one_sample_each_with_the_label_of_their_folder(tmp_path: Path) -> None:
    for i, label in enumerate(("serve", "serve", "smash")):
        write_clip(tmp_path / "clips" / label / f"{i}.mp4", 20 + i, 25, seed=i)
    write_clip(tmp_path / "clips" / "stray.mp4", 20, 25, seed=7)
    shutil.copy(tmp_path / "clips" / "smash" / "2.mp4", tmp_path / "clips" / "smash" / "copy.mp4")
    (tmp_path / "data_manifest.yaml").write_text(CLIPS.format(labels="folder"))
    done = run(tmp_path)
    assert "1 of 5 have no label" in done.stderr
    assert "same content" in done.stderr
    samples = exported(tmp_path)
    assert labelled(samples) == [
        ("serve/0.mp4", 20, "Serve"),
        ("serve/1.mp4", 21, "Serve"),
        ("smash/2.mp4", 22, "Smash"),
    ]
    assert samples["begin"] == [0, 0, 0]
    assert samples["rows"] == [30] * 3  # shorter than T: the last frame repeats


def labelled(samples: dict[str, list[Any]]) -> list[tuple[str, int, str]]:
    columns = zip(samples["name"], samples["end"], samples["label_name"], strict=True)
    return [(name.removeprefix("clips/"), end, label) for name, end, label in columns]


def test_clips_labelled_by_a_table(tmp_path: Path) -> None:
    for i in range(4):
        write_clip(tmp_path / "clips" / "deep" / f"{i}.mp4", 20 + i, 25, seed=i)
    (tmp_path / "table.csv").write_text(
        "label;player;file\nserve;anna;0.mp4\nsmash;;deep/1\nlob;;2\nserve;;9.mp4\n"
    )
    (tmp_path / "data_manifest.yaml").write_text(CLIPS.format(labels="table.csv, player: ben"))
    done = run(tmp_path)
    assert "table.csv:5: there is no '9.mp4'" in done.stderr
    assert "1 of 4 have no label and are no samples: deep/3.mp4" in done.stderr
    assert "1 labelled 'lob', which has no class" in done.stderr
    samples = exported(tmp_path)
    assert labelled(samples) == [("deep/0.mp4", 20, "Serve"), ("deep/1.mp4", 21, "Smash")]
    assert samples["player"] == ["anna", "ben"]


def test_the_same_content_with_two_labels_is_no_sample(tmp_path: Path) -> None:
    write_clip(tmp_path / "clips" / "serve" / "a.mp4", 20, 25)
    write_clip(tmp_path / "clips" / "smash" / "c.mp4", 20, 25, seed=1)
    shutil.copy(tmp_path / "clips" / "serve" / "a.mp4", tmp_path / "clips" / "smash" / "b.mp4")
    (tmp_path / "data_manifest.yaml").write_text(CLIPS.format(labels="folder"))
    done = run(tmp_path)
    assert (
        "the same content is labelled 'serve' (clips/serve/a.mp4) and 'smash' (clips/smash/b.mp4)"
        in done.stderr
    )
    assert labelled(exported(tmp_path)) == [("smash/c.mp4", 20, "Smash")]


def test_clips_and_long_videos_go_into_one_dataset(tmp_path: Path) -> None:
    write_clip(tmp_path / "clips" / "serve" / "a.mp4", 30, 30)
    write_clip(tmp_path / "long" / "match.mp4", 90, 30, seed=3)
    (tmp_path / "long" / "match.csv").write_text("begin,end,label\n20,60,smash\n")
    text = CLIPS.format(labels="folder") + "videos: [long]\nannotations: [long]\n"
    (tmp_path / "data_manifest.yaml").write_text(text)
    run(tmp_path)
    samples = exported(tmp_path)
    columns = zip(samples["begin"], samples["end"], samples["label_name"], strict=True)
    assert list(columns) == [(0, 30, "Serve"), (20, 60, "Smash")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,label\na,x\na,y\n", [":3:", "'y' here and 'x' on line 2"]),
        ("file,class\na,x\n", [":1:", "file and label"]),
        ("", [":1:", "file and label"]),
        ("file,label\na\n", [":2:", "1 cells under 2 columns"]),
        ("file,label\n../../etc/passwd,x\n", [":2:", "climbs out"]),
        ("file,label\n/a,x\n", [":2:", "absolute"]),
        ("file,label\n,x\n", [":2:", "empty"]),
        ("file,label\nd,x\n", [":2:", "may be"]),
        ('file,label\n"a,x\n', [":2:", "cannot be read"]),
        ("file,label\na\0,x\n", [":2:", "NUL"]),
    ],
)
def test_a_table_of_labels_names_its_bad_line(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_labels(path, ["a", "b/c.mp4", "x/d", "y/d"])
    assert caught.value.code == USAGE
    assert len(str(caught.value).splitlines()) == 1
    for word in [str(path), *words]:
        assert word in str(caught.value)


def test_a_table_names_members_by_any_part_of_their_path(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("trial\tlabel\na\tone\nc\ttwo\nx/d\tthree\na\tone\n")
    labels, notes = read_labels(path, ["a", "b/c.mp4", "x/d", "y/d"])
    assert {k: v.label for k, v in labels.items()} == {"a": "one", "b/c.mp4": "two", "x/d": "three"}
    assert not notes


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("sources:\n  - {kind: frames, path: a}\n", 2, ["give fps"]),
        ("sources:\n  - {kind: films, path: a}\n", 2, ["'frames' or 'clips'", "'films'"]),
        ("sources:\n  - kind: frames\n    path: a\n    fsp: 30\n", 4, ["fsp", "did you mean 'fps'"]),
        ("sources:\n  - kind: frames\n    path: a\n    fps: 0\n", 4, ["sources.0.fps", "greater than 0"]),
        ("sources:\n  - kind: clips\n    path: a\n    joints: j.csv\n", 2, ["remove joints"]),
        ("sources:\n  - kind: clips\n", 2, ["sources.0.path"]),
        ("sources:\n  - {kind: clips, path: a, sample: first}\n", 2, ["'whole' or 'start'"]),
    ],
)
def test_errors_of_sources_name_file_line_and_remedy(
    tmp_path: Path, text: str, line: int, words: list[str]
) -> None:
    path = tmp_path / "data_manifest.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_manifest(path)
    assert caught.value.code == USAGE
    assert f"data_manifest.yaml:{line}:" in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_sources_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "data_manifest.yaml").write_text(CLIPS.format(labels="folder"))
    done = ttprep("run", "--workers", "0", cwd=tmp_path)
    assert done.returncode == SOME_FAILED
    assert "clips: no video file found there" in done.stdout
    shutil.rmtree(tmp_path / "clips")
    done = ttprep("run", "--workers", "0", cwd=tmp_path)
    assert "clips: no such folder; check the sources in the manifest" in done.stdout
    write_clip(tmp_path / "clips" / "a.mp4", 20)
    (tmp_path / "data_manifest.yaml").write_text(CLIPS.format(labels="none.csv"))
    done = ttprep("run", "--workers", "0", cwd=tmp_path)
    assert done.returncode == USAGE
    assert "none.csv: cannot be read" in done.stderr


def test_pictures_beside_trials_are_said_to_be_unused(tmp_path: Path) -> None:
    write_trial(tmp_path / "trials" / "t1", pictures(3))
    cv2.imwrite(str(tmp_path / "trials" / "overview.png"), pictures(1)[0])
    (tmp_path / "data_manifest.yaml").write_text(MANIFEST.format(more=""))
    done = run(tmp_path, "--stage", "frames")
    assert "trials: its pictures are not used" in done.stderr
    assert len(stage_files(tmp_path / "store")) == 1


def test_the_manifests_of_the_documentation_are_valid(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "sequences.md").read_text()
    blocks = [part.split("```")[0] for part in text.split("```yaml\n")[1:]]
    assert len(blocks) == 3
    for block in blocks:
        path = tmp_path / "data_manifest.yaml"
        path.write_text(block if "version:" in block else f"version: 1\n{block}")
        manifest = read_manifest(path)
        assert manifest.sources
        for stage in ("frames", "roi", "cuboids"):
            manifest.params(registry()[stage])
