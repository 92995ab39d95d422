"""Ways to keep the samples of a dataset, each read as a trainer does: T frames from anywhere in a sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import h5py
import hdf5plugin  # noqa: F401  (registers the codecs of a compact file)
import numpy as np

T = 100
#: what a trainer reads of a sample
READ = ("rgb", "flow", "pose", "roi", "window")
Arrays = dict[str, Any]


class Layout(ABC):
    """One way to keep samples; reads T frames of one of them. Opened when first read in a process."""

    name = ""

    def __init__(self, samples: list[dict[str, int]]) -> None:
        self.samples = samples

    @abstractmethod
    def read(self, index: int, start: int) -> Arrays:
        """T frames of a sample from its frame ``start``."""

    @abstractmethod
    def bytes(self) -> int:
        """What it takes on disk."""


class Hdf5(Layout):
    """The exported file with h5py alone; ``mapped`` takes what lies in one piece by np.memmap."""

    def __init__(self, samples: Any, path: Path, name: str, *, mapped: bool = False) -> None:
        super().__init__(samples)
        self.path, self.name, self.mapped, self.data = path, name, mapped, None

    def read(self, index: int, start: int) -> Arrays:
        """T frames of a sample from its frame ``start``."""
        if self.data is None:
            group = h5py.File(self.path, "r")["cuboids"]
            self.data = {name: group[name] for name in READ if name in group}
            if self.mapped:
                for name in ("rgb", "flow"):
                    data = self.data[name]
                    self.data[name] = np.memmap(self.path, data.dtype, "r", data.id.get_offset(), data.shape)
        first = self.samples[index]["first"] + start
        found = {k: v[first : first + T] for k, v in self.data.items()}
        if self.mapped:
            found |= {name: np.array(found[name]) for name in ("rgb", "flow")}
        return found

    def bytes(self) -> int:
        """What it takes on disk."""
        return self.path.stat().st_size


class Memmap(Layout):
    """Raw arrays of the same rows."""

    name = "raw arrays, np.memmap"

    def __init__(self, samples: Any, folder: Path, source: Path) -> None:
        super().__init__(samples)
        self.folder, self.data, self.shapes = folder, None, {}
        with h5py.File(source, "r") as file:
            for name in (n for n in READ if n in file["cuboids"]):
                data = file["cuboids"][name]
                self.shapes[name] = (data.shape, data.dtype)
                out = np.memmap(folder / name, data.dtype, "w+", shape=data.shape)
                for at in range(0, len(data), 100):
                    out[at : at + 100] = data[at : at + 100]
                out.flush()

    def read(self, index: int, start: int) -> Arrays:
        """T frames of a sample from its frame ``start``."""
        if self.data is None:
            self.data = {k: np.memmap(self.folder / k, t, "r", shape=s) for k, (s, t) in self.shapes.items()}
        first = self.samples[index]["first"] + start
        return {k: np.array(v[first : first + T]) for k, v in self.data.items()}

    def bytes(self) -> int:
        """What it takes on disk."""
        return sum((self.folder / name).stat().st_size for name in self.shapes)


class Loose(Layout):
    """A PNG and a float32 npy of flow for every frame, of the window or of the whole frame."""

    def __init__(
        self, samples: Any, folder: Path, name: str, frames: Callable[[int], Iterator[Arrays]]
    ) -> None:
        super().__init__(samples)
        self.folder, self.name, self.window = folder, name, {}
        for index in range(len(samples)):
            for row, frame in enumerate(frames(index)):
                stem = str(folder / f"{index:04d}_{row:04d}")
                cv2.imwrite(f"{stem}.png", frame["rgb"][..., ::-1])
                np.save(f"{stem}.npy", frame["flow"].astype(np.float32) / 64)
                self.window[index, row] = frame.get("window")

    def read(self, index: int, start: int) -> Arrays:
        """T frames of a sample from its frame ``start``."""
        rgb, flow = [], []
        for row in range(start, start + T):
            stem = str(self.folder / f"{index:04d}_{row:04d}")
            picture, field = cv2.imread(f"{stem}.png")[..., ::-1], np.load(f"{stem}.npy")
            if self.window[index, row] is not None:
                x, y, w, h = self.window[index, row]
                picture, field = picture[y : y + h, x : x + w], field[y : y + h, x : x + w]
            rgb.append(picture)
            flow.append(field)
        return {"rgb": np.stack(rgb), "flow": np.stack(flow)}

    def bytes(self) -> int:
        """What it takes on disk."""
        return sum(p.stat().st_size for p in self.folder.iterdir())


class Video(Layout):
    """Decoding the source from its start to the last frame needed, RGB alone."""

    name = "decoding the mp4 (RGB alone)"

    def __init__(self, samples: Any, paths: list[Path], begins: list[int]) -> None:
        super().__init__(samples)
        self.paths, self.begins = paths, begins

    def read(self, index: int, start: int) -> Arrays:
        """T frames of a sample from its frame ``start``."""
        out, first = [], self.begins[index] + start
        with av.open(str(self.paths[index])) as clip:
            for number, frame in enumerate(clip.decode(video=0)):
                if number >= first + T:
                    break
                if number >= first:
                    picture = frame.to_ndarray(format="rgb24")
                    out.append(cv2.resize(picture, (320, 180), interpolation=cv2.INTER_AREA))
        out += [out[-1]] * (T - len(out))
        return {"rgb": np.stack(out)}

    def bytes(self) -> int:
        """What it takes on disk."""
        return sum(p.stat().st_size for p in set(self.paths))
