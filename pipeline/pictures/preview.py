"""What was computed for one video, as a picture or a film that shows at a glance whether it went well."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from pipeline.errors import UserError
from pipeline.execution.feature_files import video_info
from pipeline.pictures.draw import Picture
from pipeline.pictures.sheet import Sheet
from pipeline.planning.staleness import Planned
from stages.flow.quantise import QUANTUM
from stages.roi import RoiParams
from store import FeatureReader, Receipt, Slot, Store
from store.atomic import replacing, write_bytes

#: rows of a still preview
STILLS = 4
#: of a preview, px: as wide as common screens
WIDTH = 1920


class Results:
    """The finished results of one video; of the current parameters where there are any, else older ones.

    Parameters
    ----------
    store : Store
    plan : list of Planned
        The video's planned results.
    stack : ExitStack
        Closes the files.

    Attributes
    ----------
    readers : dict of str to FeatureReader
        Stage → its open feature file.
    old : list of str
        Stages of which only results of older parameters are there.
    info : VideoInfo
    name : str
        Of the video.
    place : (int, int, int, int)
        Where the picture lies in the stored frame, without padding: x, y, width, height, px.

    Raises
    ------
    UserError
        Not even the frames are there.
    """

    def __init__(self, store: Store, plan: list[Planned], stack: ExitStack) -> None:
        self.readers: dict[str, FeatureReader] = {}
        self.old: list[str] = []
        receipts: dict[str, Receipt] = {}
        for planned in plan:
            name, receipt = planned.node.stage.name, planned.receipt or planned.previous
            if receipt is None:
                continue
            slot = Slot(planned.node.source.sha256, name, receipt.key)
            if planned.receipt is None and store.receipt(slot) is None:
                continue
            if planned.receipt is None:
                self.old.append(name)
            receipts[name] = receipt
            self.readers[name] = stack.enter_context(store.reader(slot))
        if "frames" not in receipts:
            raise UserError(
                f"{plan[0].node.source.name}: nothing is computed for it yet; run `ttprep run` on it first"
            )
        frames = receipts["frames"]
        self.info = video_info(frames)
        self.name = plan[0].node.source.name
        # what is not padding; receipts of 0.1.0 lack it where nothing was padded
        x, y, w, h = frames.attrs.get("picture_x_y_w_h", (0, 0, self.info.width, self.info.height))
        self.place = int(x), int(y), int(w), int(h)

    def frame(self, t: int) -> dict[str, Any]:
        """Read all that is known of frame ``t``, as :func:`pipeline.pictures.draw.panels` takes it."""
        out: dict[str, Any] = {"rgb": self._row("frames", "rgb", t)}
        for key, stage, array in (
            ("mask", "foreground", "mask"),
            ("flow", "flow", "flow"),
            ("centre", "roi", "centre"),
            ("joints", "descriptor", "joints"),
        ):
            value = self._row(stage, array, t)
            if value is not None:
                out[key] = value
        if "flow" in out:
            out["flow"] = out["flow"].astype(np.float32) * QUANTUM
        if "pose" in self.readers and "descriptor" in self.readers:
            n = int(self._row("pose", "n_poses", t))
            others = [i for i in range(n) if i != int(self._row("descriptor", "chosen", t))]
            out["keypoints"] = self._row("pose", "keypoints", t)[others]
            out["keypoint_scores"] = self._row("pose", "keypoint_scores", t)[others]
        return out

    def frames(self, numbers: Sequence[int]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield a title and all that is known of each of some frames."""
        for t in numbers:
            yield f"frame {t}, {self.time(t):.3f} s", self.frame(t)

    def time(self, t: int) -> float:
        """Read the time of a frame in the video, s."""
        return float(self._row("frames", "time", t))

    def _row(self, stage: str, array: str, t: int) -> Any:
        reader = self.readers.get(stage)
        if reader is None or t >= len(reader.dataset(array)):
            return None
        return reader.read(array, t, t + 1)[0]

    def largest_flow(self) -> float:
        """Return a length in px that few flow vectors exceed; it gets full colour."""
        reader = self.readers.get("statistics")
        if reader is None:
            return 5.0
        maxima = reader.read("flow_max").max(axis=1, initial=0.0)
        moving = maxima[maxima > 0]
        return float(max(np.percentile(moving, 75), 1.0)) if len(moving) else 1.0

    def lively(self, count: int) -> list[int]:
        """Choose frames spread over the video, each the one with most motion in its part of it.

        Parts have a third of their length between them, so that two frames never show the same moment.
        """
        n = self.info.n_frames
        edges = np.linspace(0, n, min(count, n) + 1).astype(int)
        reader = self.readers.get("statistics")
        activity = np.zeros(n)
        if reader is not None:
            maxima = reader.read("flow_max").max(axis=1, initial=0.0)
            activity[: len(maxima)] = maxima
        chosen = []
        for a, b in itertools.pairwise(edges):
            gap = (b - a) // 6
            chosen.append(int(a + gap + np.argmax(activity[a + gap : b - gap])))
        return chosen


def preview(
    store: Store,
    plan: list[Planned],
    roi: RoiParams,
    out: Path,
    frames: tuple[int, ...] = (),
    width: int = WIDTH,
) -> list[str]:
    """Write a preview, a picture or a film.

    Parameters
    ----------
    store : Store
    plan : list of Planned
        The video's planned results.
    roi : RoiParams
        Gives the size of the box that is drawn.
    out : Path
        A few frames if it ends in ``.png`` or ``.jpg``, all of them if in ``.mp4``.
    frames : tuple of int
        The frames that a picture shows; by default four with much motion.
    width : int
        The result is at most this wide, px, but no narrower than four frames of 64 px.

    Returns
    -------
    list of str
        Stages that are shown with results of older parameters.

    Raises
    ------
    UserError
        Nothing is computed yet, the suffix is unknown, there is no such frame, or ``out`` cannot be
        written.
    """
    crop = (roi.crop_width, roi.crop_height)
    with ExitStack() as stack:
        results = Results(store, plan, stack)
        n = results.info.n_frames
        wrong = [t for t in frames if not 0 <= t < n]
        if wrong:
            raise UserError(f"frame {wrong[0]} does not exist; the video has frames 0 to {n - 1}")
        try:
            if out.suffix.lower() in (".png", ".jpg", ".jpeg"):
                shown = frames or results.lively(STILLS)
                _write_picture(out, _sheet(results, crop, width).picture(results.frames(shown)))
            elif out.suffix.lower() == ".mp4":
                _write_film(out, _film(results, crop, width), results.info.fps)
            else:
                raise UserError(f"{out}: a preview is a .png, .jpg or .mp4; choose one of these suffixes")
        except OSError as e:
            raise UserError(f"{out}: cannot be written ({e.strerror}); give another -o") from e
    return results.old


def _sheet(results: Results, crop: tuple[int, int], width: int) -> Sheet:
    info = results.info
    length = f"{info.n_frames} frames, {float(info.fps):.5g}/s, {float(info.n_frames / info.fps):.1f} s"
    return Sheet(results.name, length, crop, results.largest_flow(), results.place, width)


def _film(results: Results, crop: tuple[int, int], width: int) -> Iterator[Picture]:
    sheet = _sheet(results, crop, width)
    for t in range(results.info.n_frames):
        yield sheet.picture(results.frames([t]))


def _write_picture(out: Path, picture: Picture) -> None:
    ok, data = cv2.imencode(out.suffix.lower(), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not ok:
        raise UserError(f"{out}: the picture could not be encoded; try .png")
    write_bytes(out, data.tobytes())


def _write_film(out: Path, pictures: Iterator[Picture], fps: Fraction) -> None:
    with replacing(out) as temp, av.open(str(temp), "w", format="mp4") as container:
        stream: Any = None
        for picture in pictures:
            picture = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
            if stream is None:
                options: Mapping[str, str] = {"crf": "20", "preset": "veryfast"}
                stream = container.add_stream("libx264", rate=fps, options=dict(options))
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))
            )
        container.mux(stream.encode(None))
