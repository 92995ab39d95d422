"""Rows of a dataset file that belong together, read when they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.reading.dataset_file import DatasetFile
from ttprep.errors import MissingResult, translated

_MODALITIES = ("rgb", "flow", "pose")


class Rows:
    """Rows of a dataset file that belong together: those of a sample, or of a whole video.

    Nothing is read before it is asked for. Positions are in px of the whole frame; less :attr:`window` they
    are in px of the stored picture.

    Attributes
    ----------
    rgb : (rows, h, w, 3) uint8
        RGB, 0–255.
    flow : (rows, h, w, 2) float32
        (dx, dy) to the next frame, px; 0 outside the foreground.
    pose : (rows, 14, 3) float32
        x, y (px) and score of the pose and 13 joints; :attr:`Dataset.joints` has their names.
    roi : (rows, 2) float32
        Smoothed centre of the region of interest, px.
    window : (rows, 2) int16
        x, y of the stored picture's first pixel, px.
    """

    _group = "cuboids"

    def __init__(self, file: DatasetFile, first: int, count: int, what: str) -> None:
        self._file, self._first, self._count, self._what = file, first, count, what

    def __len__(self) -> int:
        return self._count

    @translated
    def array(self, name: str, rows: slice = slice(None)) -> NDArray[Any]:
        """Read an array, or some rows of it.

        Parameters
        ----------
        name : str
        rows : slice
            Of this sample or video; only those are read.

        Returns
        -------
        array
            Scaled to its unit, as float32 where it is.

        Raises
        ------
        MissingResult
            The file has no such array: the modality is switched off.
        Damaged, Unreadable
        """
        found = range(self._count)[rows]
        low, high = (min(found), max(found) + 1) if found else (0, 0)
        place = f"{self._group}/{name}"
        try:
            values = self._file.rows(place, self._first + low, high - low)
        except KeyError:
            held = ", ".join(self._file.tables.attrs["modalities"])
            hint = (
                f"its modalities are {held}; set `modalities: [{held}, {name}]` in the manifest, run "
                "and export again"
                if name in _MODALITIES
                else "see docs/dataset-format.md"
            )
            raise MissingResult(f"{self._file.path}: holds no {name!r}; {hint}") from None
        picked = values[[row - low for row in found]] if abs(found.step) != 1 else values[:: found.step]
        scale = float(self._file.attributes(place).get("scale", 1.0))
        return picked if scale == 1 else np.multiply(picked, np.float32(scale), dtype=np.float32)

    @property
    def rgb(self) -> NDArray[Any]:
        """RGB: (rows, h, w, 3) uint8."""
        return self.array("rgb")

    @property
    def flow(self) -> NDArray[Any]:
        """Flow: (rows, h, w, 2) float32, px."""
        return self.array("flow")

    @property
    def pose(self) -> NDArray[Any]:
        """Joints: (rows, 14, 3) float32; x, y in px of the frame, score."""
        return self.array("pose")

    @property
    def roi(self) -> NDArray[Any]:
        """Centre of the region of interest: (rows, 2) float32, px of the frame."""
        return self.array("roi")

    @property
    def window(self) -> NDArray[Any]:
        """First pixel of the stored picture: (rows, 2) int16, px of the frame."""
        return self.array("window")

    def __repr__(self) -> str:
        return f"<{self._what}: {self._count} rows>"


class Sample(Rows):
    """One sample: :class:`Rows` with its line of the table.

    Its rows are frames of the video, one after the other. A stroke shorter than T has frames around it:
    :attr:`stroke` says which rows are the stroke itself.

    Attributes
    ----------
    index : int
    id, video, split, label_name, player, annotators : str
    begin, end : int
        First frame of the stroke, and the first one after it.
    label : int
        Index into :attr:`Dataset.classes`, −1 for none.
    class_name : str
        Empty for none.
    frames : (rows,) int32
        Numbers of the frames in the video.
    """

    def __init__(self, file: DatasetFile, index: int, classes: tuple[str, ...]) -> None:
        line = {name: column[index] for name, column in file.tables.samples.items()}
        self.index = index
        self.id, self.split = str(line["id"]), str(line["split"])
        self.begin, self.end, self.label = int(line["begin"]), int(line["end"]), int(line["label"])
        self.class_name = classes[self.label] if self.label >= 0 else ""
        self.label_name, self.player = str(line.get("label_name", "")), str(line.get("player", ""))
        self.annotators = str(line.get("annotators", ""))
        self.video = str(file.tables.videos["name"][int(line["video"])])
        what = f"sample {index} {self.id} {self.class_name or 'without a class'}, {self.split}"
        super().__init__(file, int(line["first"]), int(line["rows"]), what)

    @property
    def frames(self) -> NDArray[Any]:
        """Numbers of the frames in the video: (rows,) int32; the last is repeated where the video ends."""
        return self.array("frame")

    @property
    def stroke(self) -> slice:
        """The rows of the stroke itself: ``sample.rgb[sample.stroke]``."""
        lead = self.begin - int(self.array("frame", slice(0, 1))[0])
        return slice(lead, lead + self.end - self.begin)


class Untrimmed(Rows):
    """A whole video, cut to the crop: :class:`Rows`, one for each frame.

    Attributes
    ----------
    label : (rows,) int16
        Class of each frame, −1 where it is not known.
    """

    _group = "untrimmed"

    @property
    def label(self) -> NDArray[Any]:
        """Class of each frame: (rows,) int16, index into :attr:`Dataset.classes`; −1 where not known."""
        return self.array("label")
