"""Windows around any frame of whole videos, labelled by the frame in their middle: training for detection.

A network trained on windows cut out of strokes and of pauses has never seen the transition between them,
which the sliding window of [3S] §3.3 meets all the time. Here it does, and every pause counts, not only those
long enough to be a sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from tttrain.data.augmentation import draw_transform
from tttrain.data.cache import PIXELS, Keeper, take
from tttrain.data.dataset_file import Array, DatasetInfo, Reader
from tttrain.data.samples import Clip
from tttrain.data.view import View, reduce_area
from tttrain.data.window_positions import sample_rng
from tttrain.errors import TrainError

#: draw one window per so many frames of a video in every epoch
PIECE = 25


class FrameDataset(Keeper, Dataset[Clip]):
    """Pieces of the whole videos of a split; an item is a window around one frame of a piece.

    Parameters
    ----------
    info : DatasetInfo
    split : str
    view : View
    modalities : sequence of str
        Which of ``rgb``, ``flow``, ``pose`` to read.
    drawn : bool
        Draw the frame anew in every epoch; otherwise take the one in the middle of the piece, with a
        first axis of one window, as :class:`tttrain.data.samples.StrokeDataset` has in mode ``tests``.
    augment : bool
        Draw a transform: zoom and shift within the crop, and a flip. Whole videos are stored without a
        margin, so frames are not rotated.
    flip : bool
        Mirror every other window.
    seed : int

    Raises
    ------
    TrainError
        The file holds no whole video of the split, or one whose samples lie in several splits.

    Attributes
    ----------
    pieces : list of (int, array of int)
        Row of ``/videos``, and those frames of it that have a label and a whole window around them.
    """

    def __init__(
        self,
        info: DatasetInfo,
        split: str,
        view: View,
        modalities: Sequence[str],
        *,
        drawn: bool = False,
        augment: bool = False,
        flip: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(Reader(info.path))
        self.info, self.view, self.seed = info, view, seed
        self.modalities = tuple(modalities)
        self.drawn, self.augment, self.flip = drawn, augment, flip
        self.pieces = _pieces(info, split, view.span)
        self._limits = replace(info.limits, rotation=0.0)

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def bytes(self) -> int:
        """Bytes that the videos need in memory, reduced to the view."""
        k, (width, height) = self.view.reduce, self.info.crop
        pixel = (width // k) * (height // k) * sum({"rgb": 3, "flow": 4}.get(m, 0) for m in self.modalities)
        return sum(int(self.info.videos.rows[v]) for v in {v for v, _ in self.pieces}) * pixel

    def _everything(self) -> Iterator[tuple[int, dict[str, Array]]]:
        for video in sorted({v for v, _ in self.pieces}):
            yield video, self._read(video, 0, int(self.info.videos.rows[video]))

    def __getitem__(self, item: int | tuple[int, int]) -> Clip:
        """Read one window.

        Parameters
        ----------
        item : int or (int, int)
            Its piece; or the epoch and its piece.

        Returns
        -------
        dict of Tensor
            As of :class:`tttrain.data.samples.StrokeDataset`, the window being the crop itself; ``row``: row
            of ``/untrimmed`` of the frame in the middle.
        """
        epoch, index = item if isinstance(item, tuple) else (0, item)
        video, frames = self.pieces[index]
        rng = sample_rng(self.seed, epoch, index)
        frame = int(frames[rng.integers(len(frames)) if self.drawn else len(frames) // 2])
        span = self.view.span
        rows = self.view.offsets if self.drawn else self.view.offsets[None]
        clip = {
            name: take(values, rows) for name, values in self._stored(video, frame - span // 2, span).items()
        }
        clip["corner"] = torch.tensor(self.view.inset).expand(*rows.shape, 2)
        row = int(self.info.videos.first[video]) + frame
        assert self.info.untrimmed_label is not None
        clip["label"] = torch.tensor(int(self.info.untrimmed_label[row]))
        clip["row"] = torch.tensor(row)
        if self.augment:
            transform = draw_transform(rng, self._limits, self.view.crop, flip=self.flip)
            clip["transform"] = torch.from_numpy(transform)
        return clip

    def _stored(self, video: int, start: int, count: int) -> dict[str, Array | Tensor]:
        """Read frames [start, start + count) of a video, reduced."""
        if self._kept is not None:
            return {name: values[start : start + count] for name, values in self._kept[video].items()}
        return dict(self._read(video, start, count))

    def _read(self, video: int, start: int, count: int) -> dict[str, Array]:
        first = int(self.info.videos.first[video]) + start
        out = {}
        for name in (*self.modalities, "window"):
            values = self._reader.rows(f"untrimmed/{name}", first, count)
            out[name] = reduce_area(values, self.view.reduce) if name in PIXELS else values
        return out


def _pieces(info: DatasetInfo, split: str, span: int) -> list[tuple[int, NDArray[np.intp]]]:
    samples, videos = info.samples, info.videos
    found: list[tuple[int, NDArray[np.intp]]] = []
    for video in np.unique(samples.video[info.rows_of(split)]).tolist():
        if videos.first[video] < 0 or info.untrimmed_label is None:
            continue
        same = (
            videos.sha256[samples.video] == videos.sha256[video]
        )  # another player of it shows its frames too
        splits = sorted(set(samples.split[same & (samples.label >= 0)].tolist()))
        if split != "all" and len(splits) > 1:
            raise TrainError(
                f"{info.path}: samples of {videos.name[video]} lie in several splits ({', '.join(splits)}), "
                "so its frames belong to none; export with `splits: {by: video}` in the manifest"
            )
        first, rows = int(videos.first[video]), int(videos.rows[video])
        frames = np.arange(span // 2, rows - span + span // 2 + 1)
        frames = frames[info.untrimmed_label[first + frames] >= 0]
        if len(frames):
            found += [(video, part) for part in np.array_split(frames, -(-len(frames) // PIECE))]
    if not found:
        raise TrainError(
            f"{info.path}: holds no whole video of split {split!r}, of whose frames a network could learn; "
            "export with `untrimmed: true` in the manifest"
        )
    return found
