"""One video of a store: its results as arrays, tables and an xarray dataset."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.discovery import view_name
from pipeline.reading.arrays import Handles, array_names, attributes, describe, take
from pipeline.reading.clock import Clock, read_clock
from ttprep.arrays import VideoArray
from ttprep.errors import BadIndex, BadRequest, MissingResult, translated
from ttprep.indexing import rows_of
from ttprep.selection import Result, Selection
from ttprep.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


class Video:
    """Look at one video; made by indexing a :class:`Store`.

    Arrays are read when they are indexed (:class:`VideoArray`), tables when they are asked for. Values are
    those that are meant: RGB as uint8, flow in px, positions in px of the stored frame, x right, y down. A
    result of which there are several is the one that :func:`ttprep.open` says.

    Attributes
    ----------
    name, id : str
    players : tuple of str
    path : Path or None
        Where the video lay when it was read last.
    frames, flow, mask : VideoArray
    roi, pose, descriptor, statistics : pandas.DataFrame

    Examples
    --------
    >>> v = ttprep.open("ttprep-store")["match1.mp4"]
    >>> v
    <ttprep video match1.mp4: frames, foreground, pose, flow, statistics, roi, descriptor, untrimmed, ...>
    >>> v.roi[["frame", "time"]].head(2)
       frame  time
    0      0   0.0
    1      1   0.1
    """

    def __init__(self, handles: Handles, selection: Selection) -> None:
        self._handles, self._selection = handles, selection
        self._clocks: dict[str, Clock] = {}

    @property
    def id(self) -> str:
        """First 16 digits of the sha256 of the video's bytes."""
        return self._selection.video

    @property
    def name(self) -> str:
        """Name of the video's file, with the player of one of its views; the id where that is not known."""
        return view_name(self._selection.entry().name, self._selection.view)

    @property
    @translated
    def players(self) -> tuple[str, ...]:
        """What :meth:`of` takes: the players by the manifest, or the several focuses of the results.

        Empty where the video has one view.
        """
        return self._selection.views

    @translated
    def of(self, player: str) -> Video:
        """Return the same video with the results of one of its players.

        Parameters
        ----------
        player : str
            Of :attr:`players`: a name of the manifest, or a focus such as ``left``.

        Raises
        ------
        UnknownVideo
            There is no such player.
        """
        return Video(self._handles, self._selection.of_view(player))

    @property
    def path(self) -> Path | None:
        """Where the video lay when it was read last, None where that is not known."""
        paths = self._selection.entry().paths
        return paths[0] if paths else None

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that are done, with any parameters."""
        return self._selection.entry().stages

    @property
    @translated
    def times(self) -> NDArray[np.float64]:
        """When each frame is shown, s: (n,) float64; NaN where the video has no times.

        Zero is where the file's clock starts, as for seconds in annotations.
        """
        return self._clock().times.copy()

    @property
    @translated
    def info(self) -> dict[str, Any]:
        """What decoding found out: ``fps``, ``rate``, ``source_width``, ``codec``, ``notes``, ``faults``, ….

        docs/store-format.md explains each; a name that is absent means unknown.
        """
        return attributes(self._handles, self._selection.slot("frames"))

    @property
    def frames(self) -> VideoArray:
        """The frames: (frame, y, x, channel) uint8, RGB, 0–255.

        Raises
        ------
        MissingResult, Damaged, Unreadable
            There are none; their file is damaged or cannot be read.
        """
        return self.array("frames", "rgb")

    @property
    def mask(self) -> VideoArray:
        """The foreground: (frame, y, x) uint8, 1 = foreground; errors as :attr:`frames`."""
        return self.array("foreground", "mask")

    @property
    def flow(self) -> VideoArray:
        """The optical flow of the foreground: (pair, y, x, component) float32, (dx, dy) in px.

        Row t is the motion from frame t to frame t + 1, so there is one row less than frames; background is
        0. Errors as :attr:`frames`.
        """
        return self.array("flow", "flow")

    @property
    def roi(self) -> pd.DataFrame:
        """The region of interest, one line for each frame.

        Columns: ``frame``, ``time`` (s), ``x``, ``y`` (smoothed centre, px), ``raw_x``, ``raw_y`` (before
        smoothing, px), ``moving`` (whether the frame's own flow gave the raw centre). Errors as
        :attr:`frames`.
        """
        return self.table("roi")

    @property
    def pose(self) -> pd.DataFrame:
        """Everybody who was found, one line for each frame, person and keypoint.

        Columns: ``frame``, ``time`` (s), ``pose`` (number of the person in the frame), ``pose_score``,
        ``keypoint``, ``x``, ``y`` (px), ``score``. Frames in which nobody was found have no line. Errors as
        :attr:`frames`.
        """
        return self.table("pose")

    @property
    def descriptor(self) -> pd.DataFrame:
        """The player's joints, one line for each frame and joint.

        Columns: ``frame``, ``time`` (s), ``joint`` (``pose`` is the mean of the others), ``x``, ``y`` (px),
        ``score``, ``found`` (whether the frame has a pose: else x and y are the centre of the ROI and the
        score is 0), ``n_poses``, ``chosen`` (the number in :attr:`pose`, −1 for none), ``roi_distance`` (px).
        Errors as :attr:`frames`.
        """
        return self.table("descriptor")

    @property
    def statistics(self) -> pd.DataFrame:
        """The largest flow, one line for each pair of frames.

        Columns: ``frame`` (the first of the pair), ``time`` (s), ``max_x``, ``max_y`` (largest |dx| and |dy|,
        px). Errors as :attr:`frames`.
        """
        return self.table("statistics")

    @translated
    def table(self, stage: str, rows: Any = slice(None)) -> pd.DataFrame:
        """Return a table of some frames.

        Parameters
        ----------
        stage : {"roi", "pose", "descriptor", "statistics"}
        rows : slice or list
            As in the brackets of a :class:`VideoArray`.

        Returns
        -------
        pandas.DataFrame
            As the attribute of that name. ``attrs["units"]`` has the units.

        Raises
        ------
        BadRequest
            There is no table of that stage.
        MissingResult, BadIndex, Damaged, Unreadable

        Examples
        --------
        >>> v = ttprep.open("ttprep-store")["match1.mp4"]
        >>> v.table("statistics", slice("1.2s", "2s"))["frame"].tolist()
        [12, 13, 14, 15, 16, 17, 18, 19]
        """
        if stage not in TABLES:
            raise BadRequest(f"there is no table of {stage!r}; there are {', '.join(TABLES)}")
        slot = self._selection.slot(stage)
        length = describe(self._handles, slot, array_names(self._handles, slot)[0]).shape[0]
        if stage == "pose":  # the file may be that of the frames, which has others too
            length = describe(self._handles, slot, "n_poses").shape[0]
        found, _ = rows_of(rows, length, self._clock, f"{self.name}: {stage}")
        read = partial(take, self._handles, slot, rows=found)
        frames = np.asarray(found, np.intp)
        return TABLES[stage](read, attributes(self._handles, slot), frames, self._clock().times[frames])

    @translated
    def array(self, stage: str, name: str) -> VideoArray:
        """Return any array of any stage, those of other distributions too.

        Parameters
        ----------
        stage, name : str
            As docs/store-format.md lists them: ``("descriptor", "joints")``.

        Returns
        -------
        VideoArray

        Raises
        ------
        MissingResult
            The stage is not done, or has no such array.
        Damaged, Unreadable
        """
        slot = self._selection.slot(stage)
        names = array_names(self._handles, slot)
        clock = self._no_clock if self._cuts_samples(stage) else self._clock
        if name not in names:
            raise MissingResult(f"{self.name}: {stage} holds no array {name!r}; it holds {', '.join(names)}")
        return VideoArray(self._handles, slot, name, f"{self.name}: {stage}.{name}", clock)

    def _cuts_samples(self, stage: str) -> bool:
        return "samples" in self._selection.receipt(stage).parts

    @staticmethod
    def _no_clock() -> Clock:
        raise BadIndex("rows of samples do not run along the video; give them by number")

    # -- which results ----------------------------------------------------------------------

    @translated
    def results(self, stage: str | None = None) -> list[Result]:
        """Return what the store holds, newest first.

        Parameters
        ----------
        stage : str, optional
            Only results of this one.

        Returns
        -------
        list of Result

        Examples
        --------
        >>> v = ttprep.open("ttprep-store")["match1.mp4"]
        >>> [(r.stage, r.version, r.chosen) for r in v.results("flow")]
        [('flow', 1, True)]
        """
        return [r for r in self._selection.results() if stage is None or r.stage == stage]

    @translated
    def choose(self, *results: Result | str) -> Video:
        """Return the same video with other results than the usual ones.

        Parameters
        ----------
        *results : Result or str
            Of :meth:`results`, or keys of them (how they begin is enough). Of the other stages the usual ones
            are taken, whatever these were made from.

        Raises
        ------
        MissingResult
            There is no such result, or several begin so.
        """
        return Video(self._handles, self._selection.choose(*results))

    def _clock(self) -> Clock:
        slot = self._selection.slot("frames")
        if slot.key not in self._clocks:
            self._clocks[slot.key] = read_clock(self._handles, slot)
        return self._clocks[slot.key]

    # -- all of it --------------------------------------------------------------------------

    @translated
    def to_xarray(self, *stages: str) -> xr.Dataset:
        """Return the results as an xarray dataset, whose arrays are read when they are used.

        Parameters
        ----------
        *stages : str
            Default: all that are done and run along the video's frames.

        Returns
        -------
        xarray.Dataset
            Variables are called by stage and array (``roi_centre``), but for ``rgb``, ``mask`` and ``flow``.
            Dimensions are the arrays' axes, with the stage before it where one is shorter than that of frames
            (``untrimmed_x``). Coordinates: ``frame`` with ``time`` (s) beside it, ``pair`` (the
            first frame of each) with ``pair_time``, ``y`` and ``x`` (px), names of channels, components,
            keypoints and joints. ``attrs["units"]`` as in the file.

        Raises
        ------
        MissingResult, Damaged, Unreadable
        BadRequest
            xarray is not installed: ``pip install "ttprep[xarray]"``.

        Examples
        --------
        >>> ds = ttprep.open("ttprep-store")["match1.mp4"].to_xarray("frames", "flow", "roi")
        >>> ds.flow.sel(pair=slice(20, 29)).mean("pair").sizes
        Frozen({'y': 90, 'x': 160, 'component': 2})
        >>> ds.rgb.swap_dims(frame="time").sel(time=12.52, method="nearest").frame.item()
        125
        """
        from ttprep.labelled import to_dataset

        there = self._selection.chosen()
        chosen: Iterable[str] = stages or [s for s in there if not self._cuts_samples(s)]
        found = {}
        for stage in chosen:
            if self._cuts_samples(stage):
                raise BadRequest(f"rows of {stage} are those of samples; ttprep.open_dataset reads them")
            slot = self._selection.slot(stage)
            found[stage] = (
                [self.array(slot.stage, n) for n in array_names(self._handles, slot) if n != "time"],
                attributes(self._handles, slot),
            )
        return to_dataset(found, self._clock().times, {"video": self.name, "id": self.id})

    def __repr__(self) -> str:
        return f"<ttprep video {self.name}: {', '.join(self.stages) or 'nothing done yet'}>"
