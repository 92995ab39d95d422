"""What the store holds of a video, as the network reads it: rows by name, verified when they are opened."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.pixels.readers import VerifiedReaders
from pipeline.execution.feature_files import input_receipt
from pipeline.planning.graph import Node
from pipeline.predicting.clock import Clock, read_clock
from stages.crop import cut
from stages.flow.quantise import QUANTUM
from store import Receipt, Store

#: pairs of pictures whose flow is read at once
BLOCK = 128


class Results:
    """The results of one video, open for reading; a context manager.

    Parameters
    ----------
    store : Store
    nodes : mapping of str to Node
        By stage, all of them done.

    Raises
    ------
    DamagedError
        A file of the store is not what was published; it is marked, so that the next run makes it again.
    """

    def __init__(self, store: Store, nodes: Mapping[str, Node]) -> None:
        self._stack = ExitStack()
        self._store, self._nodes = store, nodes
        self._readers = VerifiedReaders(store, self._stack)
        self._open = {
            name: self._readers.open(nodes[name])
            for name in ("frames", "untrimmed", "roi", "descriptor")
            if name in nodes
        }
        self.receipt: Receipt = input_receipt(store, nodes["frames"].slot)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def clock(self) -> Clock:
        """Return which picture of the source each row shows, and when."""
        return read_clock(self._store, self._nodes["frames"].source, self.receipt, self._open["frames"])

    def rows(self, name: str, first: int, count: int) -> NDArray[Any]:
        """Return rows of an array as the dataset file's ``/untrimmed`` would hold them."""
        if name == "pose":
            joints = self._open["descriptor"].read("joints", first, first + count)
            return np.asarray(joints, np.float32)
        return self._open["untrimmed"].read(name, first, first + count)

    def motion(self) -> NDArray[np.float64]:
        """Return how much moves in the crop from each row to the next, px: the root mean square of the flow.

        The flow is the masked one that the ROI follows; (n,), the last row's is that before it.
        """
        n = len(self._open["roi"].dataset("centre"))
        out = np.zeros(n)
        for first in range(0, n - 1, BLOCK):
            flow = self._flow(first, min(first + BLOCK, n - 1)).astype(np.float32) * np.float32(QUANTUM)
            out[first : first + len(flow)] = np.sqrt((flow**2).sum(axis=-1).mean(axis=(1, 2)))
        if n > 1:
            out[-1] = out[-2]
        return out

    def _flow(self, first: int, stop: int) -> NDArray[np.int16]:
        """Return the flow in the crop; cut out of whole pictures where the network reads none."""
        if "flow" in self._open["untrimmed"].names:
            return self._open["untrimmed"].read("flow", first, stop)
        if "flow" not in self._open:
            self._open["flow"] = self._readers.open(self._nodes["flow"])
        whole = self._open["flow"].read("flow", first, stop)
        width, height = self.crop
        size = min(width, whole.shape[2]), min(height, whole.shape[1])
        return cut(whole, self._open["untrimmed"].read("window", first, stop), size)

    def pictures(self, first: int, stop: int) -> NDArray[np.uint8]:
        """Return stored frames (n, H, W, 3), RGB."""
        return self._open["frames"].read("rgb", first, stop)

    def joints(self, first: int, stop: int) -> NDArray[Any] | None:
        """Return the player's joints (n, 14, 3), px of the stored frame; None where no pose was computed."""
        if "descriptor" not in self._open:
            return None
        return self._open["descriptor"].read("joints", first, stop)

    def centres(self, first: int, stop: int) -> NDArray[Any]:
        """Return the centres of the ROI (n, 2), px of the stored frame."""
        return self._open["roi"].read("centre", first, stop)

    @property
    def crop(self) -> tuple[int, int]:
        """Width and height of what the network sees, px of the stored frame."""
        params: Any = self._nodes["untrimmed"].params
        return params.crop_width, params.crop_height

    def box(self, first: int, stop: int) -> tuple[float, float, float, float]:
        """Return the region around the mean ROI of some rows, in shares of the source's picture."""
        x, y, w, h = (float(v) for v in self.receipt.attrs["picture_x_y_w_h"])
        centre = self.centres(first, stop).mean(axis=0)
        half = self.crop[0] / 2, self.crop[1] / 2
        left, right = ((float(centre[0]) + s * half[0] - x) / w for s in (-1, 1))
        top, bottom = ((float(centre[1]) + s * half[1] - y) / h for s in (-1, 1))
        return max(left, 0.0), max(top, 0.0), min(right, 1.0), min(bottom, 1.0)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the source's picture as it is shown, px."""
        attrs = self.receipt.attrs
        width, height = int(attrs["source_width"]), int(attrs["source_height"])
        return (height, width) if int(attrs.get("rotation", 0)) % 180 else (width, height)
