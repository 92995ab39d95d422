"""Trials as folders of pictures: order, damage, joints."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path

import cv2
import hdf5plugin  # noqa: F401  (registers the codecs)
import numpy as np
import pytest

from pipeline.errors import SOME_FAILED
from pipeline.inputs.joints import joint_index, read_joints
from stages.base import StageError
from stages.descriptor import JOINTS
from stages.frames.folder import natural_key, numbering_faults, pictures_of, place_joints
from stages.frames.rotation_and_fit import Fit, geometry
from tests.pipeline.inputs.trials import (
    MANIFEST,
    SIZE,
    N,
    decode_folder,
    pictures,
    positions,
    read_picture,
    write_joints,
    write_trial,
)
from tests.support.command_line import debris, stage_files, ttprep

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
