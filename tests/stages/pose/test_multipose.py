"""Decoding: against a plain one-candidate-at-a-time decoder and against the stored poses."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.pose.multipose import decode, local_maxima
from stages.pose.skeleton import EDGES, KEYPOINTS, walks
from tests.support.pose import needs_shared, reference

Tensors = dict[str, Any]  # head → (channels, height, width) float32


def plain(
    t: Tensors, stride: int, max_poses: int, threshold: float, radius: float, least: float
) -> list[tuple[float, list[tuple[float, float, float]]]]:
    """PersonLab's fast greedy decoding as the paper tells it: scalars, lists and recursion."""
    _, height, width = t["heatmap"].shape
    roots = []
    for part in range(17):
        for y in range(height):
            for x in range(width):
                window = t["heatmap"][part, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
                score = t["heatmap"][part, y, x]
                if score >= threshold and score == window.max():
                    roots.append((-float(score), part, y, x))
    neighbours: list[list[tuple[int, str, int]]] = [[] for _ in KEYPOINTS]
    for edge, (parent, child) in enumerate(EDGES):
        a, b = KEYPOINTS.index(parent), KEYPOINTS.index(child)
        neighbours[a].append((b, "displacement_fwd", edge))
        neighbours[b].append((a, "displacement_bwd", edge))

    def cell(y: float, x: float) -> tuple[int, int]:
        return min(max(round(y / stride), 0), height - 1), min(max(round(x / stride), 0), width - 1)

    def place(part: int, y: int, x: int) -> tuple[float, float, float]:
        dy, dx = float(t["offset"][part, y, x]), float(t["offset"][part + 17, y, x])
        return y * stride + dy, x * stride + dx, float(t["heatmap"][part, y, x])

    def grow(pose: dict[int, tuple[float, float, float]], part: int) -> None:
        for other, tensor, edge in neighbours[part]:
            if other not in pose:
                y, x, _ = pose[part]
                cy, cx = cell(y, x)
                dy, dx = float(t[tensor][edge, cy, cx]), float(t[tensor][edge + 16, cy, cx])
                pose[other] = place(other, *cell(y + dy, x + dx))
                grow(pose, other)

    def near(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
        return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 <= radius**2

    taken: list[tuple[float, list[tuple[float, float, float]]]] = []
    for _, part, y, x in sorted(roots):
        if len(taken) == max_poses:
            break
        pose = {part: place(part, y, x)}
        if any(near(pose[part], other[part]) for _, other in taken):
            continue
        grow(pose, part)
        points = [pose[i] for i in range(17)]
        new = [p[2] for i, p in enumerate(points) if not any(near(p, other[i]) for _, other in taken)]
        if sum(new) / 17 >= least:
            taken.append((sum(new) / 17, points))
    return taken


def random_tensors(seed: int, height: int, width: int, people: float) -> Tensors:
    """Smooth random heatmaps and vectors that often point across or beyond the border."""
    rng = np.random.default_rng(seed)
    heat = rng.uniform(0, 1, (17, height, width)) ** (1 / people)
    return {
        "heatmap": heat.astype(np.float32),
        "offset": rng.normal(0, 10, (34, height, width)).astype(np.float32),
        "displacement_fwd": rng.normal(0, 40, (32, height, width)).astype(np.float32),
        "displacement_bwd": rng.normal(0, 40, (32, height, width)).astype(np.float32),
    }


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    people=st.sampled_from([0.1, 0.3, 1.0]),
    stride=st.sampled_from([8, 16, 32]),
    max_poses=st.integers(1, 10),
    radius=st.sampled_from([0.0, 20.0, 60.0]),
    least=st.sampled_from([0.0, 0.25, 0.4]),
)
def test_same_as_one_candidate_at_a_time(
    seed: int,
    height: int,
    width: int,
    people: float,
    stride: int,
    max_poses: int,
    radius: float,
    least: float,
) -> None:
    tensors = random_tensors(seed, height, width, people)
    want = plain(tensors, stride, max_poses, 0.5, radius, least)
    scores, keypoint_scores, keypoints = decode(
        **tensors, stride=stride, max_poses=max_poses, nms_radius=radius, min_pose_score=least
    )
    assert len(scores) == len(want)
    for k, (score, points) in enumerate(want):
        y, x, s = np.array(points).T
        assert scores[k] == pytest.approx(score, abs=1e-12)
        np.testing.assert_array_equal(keypoint_scores[k], s)
        np.testing.assert_array_equal(keypoints[k], np.stack([x, y], axis=1))


def test_that_random_cases_hold_several_people() -> None:
    """The comparison above means something: its cases are neither empty nor full throughout."""
    cases = [random_tensors(seed, 9, 9, people) for people in (0.1, 0.3) for seed in range(15)]
    counts = [len(plain(t, 16, 10, 0.5, 20.0, 0.25)) for t in cases]
    assert len(set(counts)) >= 5
    assert min(counts) < 3


def test_nobody() -> None:
    tensors = random_tensors(0, 5, 6, 1.0)
    tensors["heatmap"][:] = 0.49
    scores, keypoint_scores, keypoints = decode(**tensors)
    assert scores.shape == (0,)
    assert keypoint_scores.shape == (0, 17)
    assert keypoints.shape == (0, 17, 2)


def test_equal_scores_keep_a_fixed_order_and_a_plateau_is_all_maxima() -> None:
    heat = np.zeros((17, 4, 5), np.float32)
    heat[3, 0, 0] = heat[3, 0, 1] = heat[1, 3, 4] = 0.75
    heat[2, 2, 2] = 0.9
    heat[2, 2, 3] = 0.8  # beside a higher one: no maximum
    found = [tuple(map(int, t)) for t in zip(*local_maxima(heat, 0.5), strict=True)]
    assert found == [(2, 2, 2), (1, 3, 4), (3, 0, 0), (3, 0, 1)]
    flat = [tuple(map(int, t)) for t in zip(*local_maxima(np.ones((17, 4, 5), np.float32), 1.0), strict=True)]
    assert flat == [(p, y, x) for p in range(17) for y in range(4) for x in range(5)]


def test_both_thresholds_include_their_value() -> None:
    tensors = {k: np.zeros_like(t) for k, t in random_tensors(0, 1, 1, 1.0).items()}
    tensors["heatmap"] += np.float32(0.5)
    assert decode(**tensors, score_threshold=0.5, min_pose_score=0.5)[0].tolist() == [0.5]
    assert len(decode(**tensors, score_threshold=0.5, min_pose_score=0.51)[0]) == 0
    assert len(decode(**tensors, score_threshold=0.51, min_pose_score=0.5)[0]) == 0


def test_a_walk_reaches_every_keypoint_from_every_root_by_an_edge_from_a_known_one() -> None:
    w = walks()
    for root in range(17):
        known = {root}
        for depth in w.depths:
            assert set(w.source[depth, root].tolist()) <= known
            known |= set(w.target[depth, root].tolist())
        assert known == set(range(17))
        for edge, a, b in zip(w.edge[:, root], w.source[:, root], w.target[:, root], strict=True):
            ends = (KEYPOINTS[a], KEYPOINTS[b])
            assert ends == (EDGES[edge] if edge < 16 else EDGES[edge - 16][::-1])


@needs_shared
@pytest.mark.parametrize("scale", ["1.00", "1.60"])
def test_stored_tensors_give_the_stored_poses(scale: str) -> None:
    for path in sorted(reference().glob(f"*_s{scale}.json")):
        stored = json.loads(path.read_text())
        tensors = np.load(path.with_suffix(".npz"))
        scores, keypoint_scores, keypoints = decode(
            **{k: tensors[k] for k in ("heatmap", "offset", "displacement_fwd", "displacement_bwd")}
        )
        keypoints = keypoints[..., ::-1] * stored["output_scale_yx"]
        np.testing.assert_allclose(scores, [p["score"] for p in stored["poses"]], atol=1e-6)
        np.testing.assert_allclose(
            keypoint_scores, [p["keypoint_scores"] for p in stored["poses"]], atol=1e-6
        )
        np.testing.assert_allclose(keypoints, [p["keypoint_coords_yx"] for p in stored["poses"]], atol=1e-4)
