"""Augmentation on the device against a slow reference, and what must hold of it whatever is drawn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch
from torch import Tensor

from tests.support.dataset_writer import JOINTS, write_dataset
from tttrain.data.augmentation import draw_transform
from tttrain.data.dataset_file import Array, DatasetInfo, Limits, read_info
from tttrain.data.prepare import Preparer
from tttrain.data.samples import StrokeDataset
from tttrain.data.view import View, make_view, reduce_area, reduced_origin
from tttrain.data.warp import make_warp, mirrored_rows, sample

torch.set_num_threads(1)
LIMITS = Limits(10, 0.1, 0.1)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> DatasetInfo:
    return read_info(write_dataset(tmp_path_factory.mktemp("augment") / "d.h5", videos=1))


def bilinear(image: Array, x: float, y: float) -> Array:
    """Value of image (h, w, c) at (x, y), pixel centres at whole numbers."""
    h, w = image.shape[:2]
    x, y = min(max(x, 0), w - 1), min(max(y, 0), h - 1)
    x0, y0 = min(int(x), w - 2), min(int(y), h - 2)
    fx, fy = x - x0, y - y0
    top = image[y0, x0] * (1 - fx) + image[y0, x0 + 1] * fx
    low = image[y0 + 1, x0] * (1 - fx) + image[y0 + 1, x0 + 1] * fx
    return np.asarray(top * (1 - fy) + low * fy)


def reference(
    clip: dict[str, Array], transform: Array, view: View, window_size: tuple[int, int], frame_size: Array,
    flow_unit: Array, joints: list[str],
) -> dict[str, Array]:  # fmt: skip
    """One sample, pixel by pixel, straight from the definition; clip holds (T, …) arrays, reduced."""
    angle, zoom, tx, ty, flip = (float(v) for v in transform)
    c, s = math.cos(angle), math.sin(angle)
    crop, k = view.crop, view.reduce
    turned = np.array([[c, -s], [s, c]]) @ np.diag([flip, 1.0])

    def limits(side: int) -> tuple[float, float]:
        low = reduced_origin(side, k) + (k - 1) / 2
        return low, low + (side // k - 1) * k

    bounds = [limits(side) for side in window_size]
    # farthest points that are read, before any zoom
    far = [(c - c / n) / 2 for c, n in zip(crop, view.size, strict=True)]
    corners = np.array([[sx * far[0], sy * far[1]] for sx in (-1, 1) for sy in (-1, 1)])
    reach = np.abs(corners @ np.linalg.inv(turned).T).max(axis=0)
    for axis in range(2):
        zoom = max(zoom, 2 * reach[axis] / (bounds[axis][1] - bounds[axis][0]))
    forward = zoom * turned
    back = np.linalg.inv(forward)
    out: dict[str, list[Array]] = {"rgb": [], "flow": [], "pose": []}
    sides = {"left": "right", "right": "left"}
    names = [next((n.replace(a, b) for a, b in sides.items() if a in n), n) for n in joints]
    mirror = [joints.index(n) for n in names]
    for t in range(len(clip["corner"])):
        crop_centre = clip["corner"][t] + (np.array(crop) - 1) / 2
        centre = crop_centre - back @ (tx, ty)
        for axis in range(2):
            low, high = bounds[axis][0] + reach[axis] / zoom, bounds[axis][1] - reach[axis] / zoom
            centre[axis] = min(max(centre[axis], low), high)
        rgb = np.zeros((view.size[1], view.size[0], 3))
        flow = np.zeros((view.size[1], view.size[0], 2))
        for i in range(view.size[1]):
            for j in range(view.size[0]):
                u = np.array([(j + 0.5) * crop[0] / view.size[0] - crop[0] / 2,
                              (i + 0.5) * crop[1] / view.size[1] - crop[1] / 2])  # fmt: skip
                x, y = centre + back @ u
                x = (x - reduced_origin(window_size[0], k) - (k - 1) / 2) / k
                y = (y - reduced_origin(window_size[1], k) - (k - 1) / 2) / k
                rgb[i, j] = bilinear(clip["rgb"][t].astype(float), x, y) / 255
                flow[i, j] = np.clip(
                    forward @ bilinear(clip["flow"][t].astype(float), x, y) * flow_unit, -1, 1
                )
        pose = np.zeros((len(joints), 3))
        for j in range(len(joints)):
            x, y, score = clip["pose"][t][mirror[j] if flip < 0 else j]
            moved = forward @ (np.array([x, y]) - clip["window"][t] - centre)
            pose[j] = [*((moved + crop_centre + clip["window"][t]) / frame_size), score]
        out["rgb"].append(rgb)
        out["flow"].append(flow)
        out["pose"].append(pose)
    return {name: np.array(values) for name, values in out.items()}


@pytest.mark.parametrize("size", [None, (10, 8), (24, 12)])
def test_augmentation_equals_the_slow_reference(info: DatasetInfo, size: tuple[int, int] | None) -> None:
    view = make_view(info, size, length=2, every=8)
    data = StrokeDataset(info, np.arange(6), view, ("rgb", "flow", "pose"), "train", seed=3)
    clips = [data[(1, i)] for i in range(6)]
    batch = {name: torch.stack([c[name] for c in clips]) for name in clips[0]}
    assert {float(f) for f in batch["transform"][:, 4]} == {-1.0, 1.0}
    divisor = (0.3, 0.4)  # small enough for some vectors to be clipped
    ready = Preparer(info, view, CPU, flow_divisor=divisor)(batch)
    assert ready["flow"].abs().max() == 1
    unit = info.flow_scale / np.array(divisor)
    for i, clip in enumerate(clips):
        arrays = {name: values.numpy() for name, values in clip.items()}
        expected = reference(
            arrays, arrays["transform"], view, info.window, np.array(info.frame_size), unit, list(info.joints)
        )
        np.testing.assert_allclose(ready["rgb"][i].permute(1, 2, 3, 0), expected["rgb"], atol=1e-4)
        np.testing.assert_allclose(ready["flow"][i].permute(1, 2, 3, 0), expected["flow"], atol=1e-4)
        pose = ready["pose"][i].T.reshape(view.length, -1, 3)
        np.testing.assert_allclose(pose, expected["pose"], atol=1e-5)


def test_no_transform_at_full_size_is_the_stored_crop_to_the_bit(info: DatasetInfo) -> None:
    view = make_view(info)
    clip = StrokeDataset(info, np.array([1]), view, ("rgb", "flow", "pose"))[0]
    divisor = (0.3, 0.4)
    ready = Preparer(info, view, CPU, flow_divisor=divisor)({name: v[None] for name, v in clip.items()})
    for t in (0, 7, 15):
        x, y = clip["corner"][t].tolist()
        pixels = clip["rgb"][t, y : y + 24, x : x + 24].float() / 255
        assert torch.equal(ready["rgb"][0, :, t].permute(1, 2, 0), pixels)
        unit = torch.tensor([info.flow_scale / d for d in divisor])
        vectors = (clip["flow"][t, y : y + 24, x : x + 24].float() * unit).clamp(-1, 1)
        assert torch.equal(ready["flow"][0, :, t].permute(1, 2, 0), vectors)
    assert ready["flow"].abs().max() == 1
    expected = clip["pose"] / torch.tensor([64.0, 48.0, 1.0])
    assert torch.equal(ready["pose"][0].T.reshape(16, 14, 3), expected)


def test_the_identity_transform_is_no_transform(info: DatasetInfo) -> None:
    view = make_view(info)
    clip = StrokeDataset(info, np.arange(1), view, ("rgb", "flow", "pose"))[0]
    plain = {name: v[None] for name, v in clip.items()}
    prepare = Preparer(info, view, CPU)
    moved = prepare({**plain, "transform": torch.tensor([[0.0, 1, 0, 0, 1]])})
    for name, values in prepare(plain).items():
        torch.testing.assert_close(moved[name], values, atol=1e-5, rtol=0)


@settings(max_examples=60, deadline=None)
@given(
    angle=st.floats(-0.6, 0.6),
    zoom=st.floats(0.5, 1.6),
    shift=st.tuples(st.floats(-30, 30), st.floats(-30, 30)),
    flip=st.sampled_from([-1.0, 1.0]),
    place=st.tuples(st.integers(0, 12), st.integers(0, 6)),
    size=st.sampled_from([(24, 24), (8, 8), (11, 5)]),
)
def test_no_pixel_from_outside_the_window_is_ever_shown(
    angle: float,
    zoom: float,
    shift: tuple[float, float],
    flip: float,
    place: tuple[int, int],
    size: tuple[int, int],
) -> None:
    window = (36, 30)
    view = View(size, 1, 1, (24, 24))
    k = view.reduce
    # a window of ones in a world of zeros: whatever reaches out gets darker
    frames = torch.ones(1, 1, 1, window[1] // k, window[0] // k)
    corner = torch.tensor([[place]])
    warp = make_warp(torch.tensor([[angle, zoom, *shift, flip]]), corner, view, window)
    real = torch.nn.functional.grid_sample

    def without_border(values: Tensor, grid: Tensor, mode: str, **rest: Any) -> Tensor:
        return real(values, grid, mode, padding_mode="zeros", align_corners=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "grid_sample", without_border)
        shown = sample(frames, warp, view, window)
    assert float(shown.min()) > 1 - 1e-3


def test_zoom_grows_where_the_window_has_no_margin() -> None:
    view = View((24, 24), 1, 1, (24, 24))
    turned = torch.tensor([[math.radians(10), 0.9, 2.0, 2.0, 1.0]])
    warp = make_warp(turned, torch.zeros(1, 1, 2), view, (24, 24))
    zoom = float(torch.linalg.det(warp.forward[0]).abs().sqrt())
    assert zoom == pytest.approx(math.cos(math.radians(10)) + math.sin(math.radians(10)), rel=1e-5)
    torch.testing.assert_close(warp.centre, torch.full((1, 1, 2), 11.5), atol=1e-4, rtol=0)


def test_flow_of_a_flipped_turned_and_zoomed_sample_warps_its_frames() -> None:
    """Frame t+1 read at p + flow(p) is frame t: before and after any transform."""
    rng = np.random.default_rng(0)
    size, move = 64, np.array([2.0, -1.5])
    y, x = np.mgrid[:size, :size].astype(float)
    waves = rng.uniform(0.05, 0.25, (6, 2)) * rng.choice((-1, 1), (6, 2))

    def scene(px: Array, py: Array) -> Array:
        return np.asarray(sum(np.sin(a * px + b * py + i) for i, (a, b) in enumerate(waves)) * 20 + 128)

    frames = np.stack([scene(x, y), scene(x - move[0], y - move[1])]).astype(np.float32)
    view = View((32, 32), 2, 1, (32, 32))
    for transform in ([0, 1, 0, 0, -1], [0.15, 1.1, 2, -3, -1], [-0.17, 0.9, -3, 3, 1]):
        warp = make_warp(
            torch.tensor([transform], dtype=torch.float32), torch.full((1, 2, 2), 16), view, (size, size)
        )
        shown = sample(torch.from_numpy(frames)[None, :, None], warp, view, (size, size))[0, :, 0].numpy()
        vector = warp.forward[0].numpy() @ move
        inner = [(i, j) for i in range(6, 26) for j in range(6, 26)]
        after = np.array([bilinear(shown[1][..., None], j + vector[0], i + vector[1])[0] for i, j in inner])
        before = np.array([shown[0][i, j] for i, j in inner])
        assert np.abs(after - before).max() < 1.0  # of a contrast of 200: interpolation of smooth waves
        wrong = vector * (-1, 1)
        after = np.array([bilinear(shown[1][..., None], j + wrong[0], i + wrong[1])[0] for i, j in inner])
        assert np.abs(after - before).max() > 10


def test_prepared_flow_is_turned_with_the_picture(info: DatasetInfo) -> None:
    """Through the whole preparation: a mirrored sample has mirrored vectors, vx negated only."""
    view = make_view(info, length=2)
    clip = StrokeDataset(info, np.arange(1), view, ("rgb", "flow", "pose"))[0]
    clip["flow"] = torch.full_like(clip["flow"], 16)
    batch = {name: v[None] for name, v in clip.items()}
    prepare = Preparer(info, view, CPU)
    plain = prepare({**batch, "transform": torch.tensor([[0.0, 1, 0, 0, 1]])})["flow"]
    mirrored = prepare({**batch, "transform": torch.tensor([[0.0, 1, 0, 0, -1]])})["flow"]
    torch.testing.assert_close(mirrored[:, 0], -plain[:, 0])
    torch.testing.assert_close(mirrored[:, 1], plain[:, 1])


def test_a_joint_stays_over_its_pixel(info: DatasetInfo) -> None:
    """Paint a joint's pixel white: after any transform the joint points at the brightest spot."""
    view = make_view(info, length=1)
    rng = np.random.default_rng(5)
    for _ in range(20):
        clip = StrokeDataset(info, np.arange(1), view, ("rgb", "flow", "pose"))[0]
        at = (clip["corner"][0] + torch.from_numpy(rng.integers(9, 15, 2))).tolist()
        clip["rgb"] = torch.zeros_like(clip["rgb"])
        clip["rgb"][0, at[1], at[0]] = 255
        clip["pose"][0, :, :2] = torch.tensor(at) + clip["window"][0]
        clip["transform"] = torch.from_numpy(draw_transform(rng, LIMITS, info.crop))
        ready = Preparer(info, view, CPU)({name: v[None] for name, v in clip.items()})
        spot = ready["rgb"][0, 0, 0]
        row, column = divmod(int(spot.argmax()), spot.shape[1])
        joint = ready["pose"][0, :2, 0] * torch.tensor(info.frame_size)
        crop_first = clip["corner"][0] + clip["window"][0]
        assert (joint - crop_first - torch.tensor([column, row])).abs().max() < 0.75


def test_left_and_right_change_names_in_a_mirror() -> None:
    rows = mirrored_rows(JOINTS)
    assert rows[:2].tolist() == [0, 1]
    assert [JOINTS[i] for i in rows[[2, 3, 10, 13]]] == ["right_eye", "left_eye", "right_wrist", "left_hip"]
    assert rows[rows].tolist() == list(range(14))


def test_draws_stay_within_the_limits_and_fill_them() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([draw_transform(rng, LIMITS, (120, 80)) for _ in range(2000)])
    highest = np.array([math.radians(10), 1.1, 12, 8, 1])
    lowest = np.array([-math.radians(10), 0.9, -12, -8, -1])
    assert (drawn.max(axis=0) <= highest + 1e-6).all()
    assert (drawn.min(axis=0) >= lowest - 1e-6).all()
    spread = (drawn.max(axis=0) - drawn.min(axis=0)) / (highest - lowest)
    assert (spread > 0.98).all()
    assert 0.45 < (drawn[:, 4] < 0).mean() < 0.55


def test_without_a_flip_all_else_is_drawn_as_with_it(info: DatasetInfo) -> None:
    rows, view = info.rows_of("train"), make_view(info)
    plain, mirrored = (StrokeDataset(info, rows, view, ("pose",), "train", flip=f) for f in (False, True))
    seen = set()
    for epoch in range(20):
        for i in range(len(rows)):
            here, there = plain[epoch, i], mirrored[epoch, i]
            assert here["transform"][4] == 1
            assert torch.equal(here["transform"][:4], there["transform"][:4])
            assert torch.equal(here["pose"], there["pose"])
            seen.add(float(there["transform"][4]))
    assert seen == {-1, 1}


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_reduction_is_the_mean_of_blocks(dtype: type) -> None:
    rng = np.random.default_rng(1)
    low = -3000 if dtype == np.int16 else 0
    frames: Array = rng.integers(low, 255, (2, 11, 13, 2)).astype(dtype)
    for k in (1, 2, 3, 5):
        out = reduce_area(frames, k)
        assert out.dtype == dtype
        assert out.shape == (2, 11 // k, 13 // k, 2)
        top, left = reduced_origin(11, k), reduced_origin(13, k)
        for i in range(11 // k):
            for j in range(13 // k):
                block = frames[:, top + i * k : top + i * k + k, left + j * k : left + j * k + k].astype(
                    float
                )
                exact = block.mean(axis=(1, 2))
                np.testing.assert_array_equal(out[:, i, j], np.floor(exact + 0.5).astype(dtype))
