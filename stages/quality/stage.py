"""Quality: whether a video can be used, and whether the results of the other stages can be, as measures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.base import ArraySpec, Block, Result, Stage, VideoInfo
from stages.quality import likeness, people, pictures
from stages.quality.params import QualityParams
from stages.quality.summary import MEASURED, UNKNOWN, summarise

#: a person who is found again after longer may be anywhere, s
TOGETHER_SECONDS = 0.25

#: what is measured where the modality pose is on
WITH_PEOPLE = (
    "people", "in_crop", "roi_distance", "person_changed", "moving_in_person", "moving_in_people",
    "person_moves",
)  # fmt: skip
_SHARES = ("moving", "moving_in_person", "moving_in_people", "moving_outside")
_POSE = ("pose.n_poses", "pose.keypoints", "pose.keypoint_scores", "descriptor.chosen")


class _Measuring:
    """What is remembered from frame to frame."""

    def __init__(self, params: QualityParams, info: VideoInfo) -> None:
        self.params, self.info = params, info
        self.rate = float(info.fps)
        self.step = -1
        self.before: pictures.Grey | None = None
        self.picture: NDArray[Any] | None = None
        self.centre: NDArray[Any] | None = None
        self.person: tuple[int, NDArray[Any], float] | None = None
        self.moments = likeness.Moments(self.rate)
        place = params.focus
        followed = place is not None and place.follow
        self.outside = None if place is None or followed else ~place.mask(info.width, info.height)

    def new_step(self, t: int) -> bool:
        """Tell whether frame t is the first in another step of time."""
        step = int(t / self.rate / self.params.step_seconds + 1e-9)
        new, self.step = step != self.step, step
        return new

    def block(self, block: Block) -> Result:
        """Measure the frames of a block."""
        n = block.stop - block.start
        out = {spec.name: np.zeros(n, spec.dtype) for spec in STAGE.outputs}
        for name in MEASURED:
            out[name][:] = np.nan
        rgb, mask = block.rows("frames.rgb"), block.rows("foreground.mask")
        centre = block.rows("roi.centre")
        crowd = None
        if "pose.n_poses" in block.data:
            crowd = people.People(*(block.rows(name) for name in _POSE))
            self._of_people(out, crowd, centre, block.start)
        else:
            for name in WITH_PEOPLE:
                del out[name]
        for t in range(n):
            whole = pictures.grey(rgb[t])
            self._of_picture(out, t, rgb[t], whole)
            if self.new_step(block.start + t):
                self._sample(out, t, whole, mask[t], crowd)
        last = centre[:1] if self.centre is None else self.centre
        track = np.concatenate([last, centre]).astype(np.float64)
        out["roi_speed"][:] = np.linalg.norm(np.diff(track, axis=0), axis=1) * self.rate
        self.centre = centre[-1:] if n else self.centre
        crop = self.params.crop_width, self.params.crop_height
        out["roi_border"][:] = people.at_border(centre, crop, (self.info.width, self.info.height))
        for name in MEASURED:
            if name in out:
                np.nan_to_num(out[name], copy=False, nan=UNKNOWN)
        return Result(out)

    def _of_picture(self, out: dict[str, Any], t: int, rgb: Any, whole: pictures.Grey) -> None:
        if self.picture is not None:
            out["difference"][t] = pictures.difference(self.picture, rgb)
        self.picture = rgb
        self.moments.add(whole)

    def _sample(
        self, out: dict[str, Any], t: int, whole: pictures.Grey, mask: Any, crowd: people.People | None
    ) -> None:
        out["sampled"][t] = 1
        inner = pictures.without_bars(whole)
        out["brightness"][t], out["black"][t], out["clipped"][t] = pictures.light(inner)
        out["blur"][t] = pictures.blur(inner)
        if self.before is not None:
            out["camera"][t] = pictures.camera_step(self.before, whole)
        self.before = whole
        boxes = crowd.boxes(t) if crowd is not None else np.zeros((0, 4))
        chosen = int(crowd.chosen[t]) if crowd is not None else -1
        shares = people.shares_of_movement(mask, boxes, chosen, self.outside)
        if crowd is not None and chosen >= 0:
            out["person_moves"][t] = people.liveliness(mask, crowd.box(t, chosen, room=0))
        for name, share in zip(
            ("moving", "moving_in_person", "moving_in_people", "moving_outside"), shares, strict=True
        ):
            if name in out:
                out[name][t] = share

    def _of_people(self, out: dict[str, Any], crowd: people.People, centre: Any, start: int) -> None:
        out["people"][:] = crowd.count
        at = crowd.centres()
        out["roi_distance"][:] = np.linalg.norm(at - centre, axis=1)
        out["in_crop"][:] = crowd.in_window(centre, (self.params.crop_width, self.params.crop_height))
        for t in np.flatnonzero(crowd.chosen >= 0):
            box = crowd.box(int(t), int(crowd.chosen[t]), people.ROOM)
            size = float(max(box[2] - box[0], box[3] - box[1]))
            if self.person is not None and start + t - self.person[0] <= TOGETHER_SECONDS * self.rate + 1:
                far = float(np.linalg.norm(at[t] - self.person[1]))
                out["person_changed"][t] = far > max(size, self.person[2])
            self.person = start + int(t), at[t], size


def compute(blocks: Iterator[Block], params: QualityParams, info: VideoInfo) -> Iterator[Result]:
    """Measure a whole video, frame by frame.

    Parameters
    ----------
    blocks : iterator of Block
        ``frames.rgb`` (n, H, W, 3) uint8, ``foreground.mask`` (n, H, W) uint8, ``roi.centre`` (n, 2) float32;
        where the modality pose is on, ``pose.n_poses`` (n,), ``pose.keypoints`` (n, P, 17, 2),
        ``pose.keypoint_scores`` (n, P, 17) and ``descriptor.chosen`` (n,). In order.
    params : QualityParams
    info : VideoInfo

    Yields
    ------
    Result
        One a block, see the declared outputs; the last carries the attributes ``summary``, which is what
        :func:`stages.quality.summary.summarise` makes of all rows, and ``moments``, see
        :mod:`stages.quality.likeness`.
    """
    measuring = _Measuring(params, info)
    rows: dict[str, list[Any]] = {}
    held: Result | None = None
    for block in blocks:
        if held is not None:
            yield held
        held = measuring.block(block)
        for name, values in held.items():
            rows.setdefault(name, []).append(values)
    if held is None:
        return
    every = {name: np.concatenate(parts) for name, parts in rows.items()}
    held.attrs["summary"] = summarise(every, float(info.fps), info.width)
    held.attrs["moments"] = measuring.moments.told()
    yield held


def _row(name: str, units: str, description: str, dtype: str = "float32") -> ArraySpec:
    given_by = _POSE[0] if name in WITH_PEOPLE else ""
    return ArraySpec(name, dtype, ("frame",), units, description=description, given_by=given_by)


STAGE = Stage(
    name="quality",
    version=1,
    title="is it any good: light, blur, camera, people",
    params=QualityParams,
    inputs=("frames.rgb", "foreground.mask", "roi.centre", *_POSE),
    outputs=(
        _row("sampled", "1", "1 where the picture was measured; the measures of others are -1", "uint8"),
        _row("brightness", "levels", "mean luma of the picture without black bars"),
        _row("black", "1", "share of black pixels"),
        _row("clipped", "1", "share of burnt-out pixels"),
        _row("blur", "1", "0 sharp, 1 blurred; -1: nothing to be sharp"),
        _row("camera", "px", "movement of the background since the last measured picture"),
        _row("moving", "1", "share of the picture that moves"),
        _row("moving_in_person", "1", "share of the moving pixels at the descriptor's person"),
        _row("person_moves", "1", "share of the pixels at the descriptor's person that move"),
        _row("moving_in_people", "1", "share of the moving pixels at anybody who was found"),
        _row("moving_outside", "1", "share of the moving pixels outside the focus; -1: none is given"),
        _row("difference", "levels", "mean difference from the frame before, where they differ most"),
        _row("people", "1", "people found", "uint8"),
        _row("roi_distance", "px", "from the ROI's centre to the descriptor's person; -1: nobody"),
        _row("in_crop", "1", "share of the person's 13 joints that the crop shows; -1: nobody"),
        _row("person_changed", "1", "1 where the descriptor's person is another than before", "uint8"),
        _row("roi_speed", "px/s", "speed of the ROI's centre since the frame before"),
        _row("roi_border", "1", "1 where the crop touches the border of the frame", "uint8"),
    ),
    compute=compute,
    optional=dict.fromkeys(_POSE, "pose"),
    applies=lambda setting: setting.quality,
    judges=True,
    focus="focus",
    hidden=("focus",),
)
