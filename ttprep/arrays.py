"""Arrays of a video that lie in the store and are read when they are indexed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.reading.arrays import Described, Handles, describe, take
from pipeline.reading.clock import Clock
from store import Slot
from ttprep.errors import translated
from ttprep.indexing import rows_of


class VideoArray:
    """Read an array of one result by frames and by times; nothing is read before it is indexed.

    The first index is a frame, a time, a slice of either, a list of either, or one truth value for each row;
    the others are numpy's. Frames count from 0. A time (``"12.5s"``, ``"800ms"``, ``"1:02.5"``, a
    ``timedelta``) means the frame that is shown nearest to it, by the times in the file and whatever the
    frame rate, as seconds of annotations do; a negative one counts from the end. As always, a slice ends
    before its stop. A step may be a time too: the frames nearest to even times.

    Whole chunks are read, each once, and memory goes with what is returned: one chunk more is kept for the
    next read. May be used by several threads, after a fork, and pickled.

    Attributes
    ----------
    shape : tuple of int
        Frames or pairs of frames, and the axes of one.
    dtype : numpy.dtype
        Of the values as they are meant.
    axes : tuple of str
        Their names; rows of ``pair`` are the motion from that frame to the next.
    units : str
        ``1`` where there is none.
    description : str
    chunk : int
        Rows that lie together in the file.
    stage, name : str
        What made it, and what it is called in the file.
    key : str
        Of the result.

    Raises
    ------
    BadIndex
        When indexed: no frame and no time, or outside the video.
    Damaged, Unreadable
        When indexed: the file is not what was written, or cannot be read now.

    Examples
    --------
    >>> v = ttprep.open("ttprep-store")["match1.mp4"]
    >>> v.frames[10].shape, v.frames[10:20].dtype
    ((90, 160, 3), dtype('uint8'))
    >>> v.flow["12.0s":"14.0s"].shape, v.flow.units
    ((20, 90, 160, 2), 'px')
    >>> v.frames[[3, 1, 2], 45:, ::2].shape, v.frames["-2s"::-5].shape
    ((3, 45, 80, 3), (26, 90, 160, 3))
    >>> v.frames["0s":"9s":"0.5s"].shape
    (18, 90, 160, 3)
    """

    def __init__(
        self,
        handles: Handles,
        slot: Slot,
        name: str,
        what: str,
        clock: Callable[[], Clock],
        about: Described | None = None,
    ) -> None:
        self._handles, self._slot, self._what, self._clock = handles, slot, what, clock
        self._about = about or describe(handles, slot, name)
        self.stage, self.name, self.key = slot.stage, name, slot.key

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, and the axes of one."""
        return self._about.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of all values in memory."""
        return self.size * self.dtype.itemsize

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values as they are meant: float32 where the file holds scaled whole numbers."""
        return self._about.dtype

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes."""
        return self._about.axes

    @property
    def units(self) -> str:
        """Unit of the values."""
        return self._about.units

    @property
    def description(self) -> str:
        """One sentence on the values."""
        return self._about.description

    @property
    def chunk(self) -> int:
        """Rows that lie together in the file."""
        return self._about.chunk

    @property
    @translated
    def times(self) -> NDArray[np.float64]:
        """When each row's frame is shown, s: (len,) float64, NaN where the video has no times.

        Zero is where the file's clock starts, as for seconds in annotations.
        """
        return self._clock().times[: len(self)].copy()

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        inner = ", ".join(f"{axis} {n}" for axis, n in zip(self.axes, self.shape, strict=True))
        unit = "" if self.units == "1" else f", {self.units}"
        return f"<{self._what}: {inner}; {self.dtype}{unit}>"

    @translated
    def __getitem__(self, key: Any) -> NDArray[Any]:
        first, rest = self._split(key)
        rows, single = rows_of(first, len(self), self._clock, self._what)
        out = take(self._handles, self._slot, self.name, rows, rest)
        return out[0] if single else out

    def _split(self, key: Any) -> tuple[Any, tuple[Any, ...]]:
        if key is Ellipsis:
            return slice(None), ()
        if not isinstance(key, tuple):
            return key, ()
        if not key:
            return slice(None), ()
        if key[0] is Ellipsis:
            missing = self.ndim - (len(key) - 1)
            key = (*[slice(None)] * missing, *key[1:])
        return key[0], key[1:]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yield one row after the other; a chunk is decoded once."""
        for start in range(0, len(self), self.chunk):
            yield from self[start : start + self.chunk]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all rows; :attr:`nbytes` says how much memory that takes."""
        if copy is False:
            raise ValueError("the rows lie in a file, so an array of them is always a copy")
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)
