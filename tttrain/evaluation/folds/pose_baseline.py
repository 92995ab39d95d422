"""The pose-only baseline: logistic regression on the course of the joints, scaled to the player.

What a network of pixels should beat. The joints of each frame are taken relative to the middle of the body
and in units of its size, so that neither the place in the picture nor the distance from the camera tells the
class; the course along time is sampled at a fixed number of moments.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tttrain.data.dataset_file import Array, DatasetInfo, Reader
from tttrain.data.normalisation import TRUNK

#: moments along time
MOMENTS = 16
#: weight of the squared weights in the loss
DECAY = 0.03
_STEPS = 100


def joint_course(pose: Array, joints: tuple[str, ...], moments: int = MOMENTS) -> NDArray[np.float64]:
    """Describe the joints of one sample, free of place, distance and duration.

    Parameters
    ----------
    pose : (T, J, 3) float
        x, y in px and score; a joint that was not found has score 0.
    joints : tuple of str
        Names of the J rows.
    moments : int
        Moments at which the course is sampled, evenly from the first frame to the last.

    Returns
    -------
    (moments · K · 2,) float64
        Of the K rows that are joints, relative to the middle of the trunk over the whole sample, in units of
        the trunk's median size; 0 where a joint is never found.
    """
    rows = [i for i, name in enumerate(joints) if name != "pose"]
    trunk = [i for i, name in enumerate(joints) if name in TRUNK]
    seen = pose[..., 2] > 0
    places = np.where(seen[..., None], pose[..., :2], np.nan).astype(np.float64)
    whole = seen[:, trunk].all(axis=1)
    if not whole.any():
        return np.zeros(moments * len(rows) * 2)
    body = places[whole][:, trunk]
    middle = np.median(body.mean(axis=1), axis=0)
    size = np.median(np.linalg.norm(body - body.mean(axis=1, keepdims=True), axis=2).mean(axis=1))
    course = (places[:, rows] - middle) / max(float(size), 1.0)
    frames, wanted = np.arange(len(pose)), np.linspace(0, len(pose) - 1, moments)
    out = np.zeros((moments, len(rows), 2))
    for joint in range(len(rows)):
        there = seen[:, rows[joint]]
        if there.any():
            for axis in range(2):
                out[:, joint, axis] = np.interp(wanted, frames[there], course[there, joint, axis])
    return out.ravel()


def courses(info: DatasetInfo) -> NDArray[np.float64]:
    """Read the courses of all samples of a dataset, (S, F); the stored rows within the stroke count."""
    reader, samples = Reader(info.path), info.samples
    out = []
    for first, rows, begin, end in zip(
        samples.first.tolist(), samples.rows.tolist(), samples.begin, samples.end, strict=True
    ):
        frame = reader.rows("cuboids/frame", first, rows)
        inside = (frame >= begin) & (frame < end)
        inside &= np.append(True, np.diff(frame) > 0)  # a last frame that is repeated counts once
        pose = reader.rows("cuboids/pose", first, rows)
        out.append(joint_course(pose[inside] if inside.any() else pose, info.joints))
    reader.close()
    return np.stack(out)


def fit_and_predict(
    features: NDArray[np.float64], label: Array, train: Array, test: Array, classes: int
) -> NDArray[np.int64]:
    """Fit a multinomial logistic regression on some samples and classify others.

    Parameters
    ----------
    features : (S, F) float64
    label : (S,) int
    train, test : array of int
        Rows.
    classes : int

    Returns
    -------
    (len(test),) int64
    """
    mean, deviation = features[train].mean(axis=0), features[train].std(axis=0)
    scaled = torch.from_numpy((features - mean) / np.maximum(deviation, 0.1) / features.shape[1] ** 0.5)
    x, y = scaled[train], torch.from_numpy(label[train].astype(np.int64))
    weight = torch.zeros(classes, x.shape[1], dtype=x.dtype, requires_grad=True)
    bias = torch.zeros(classes, dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = functional.cross_entropy(x @ weight.T + bias, y) + DECAY / len(train) * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        scores = scaled[test] @ weight.T + bias
    return np.asarray(scores.argmax(dim=1).numpy(), np.int64)
