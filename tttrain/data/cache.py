"""Where the windows of a data set lie during a training: in the file, in memory, or on the GPU.

Windows are kept as they are stored (uint8, int16), reduced to the view. Every sample takes the same way from
there, so a cache changes the time, never the numbers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tttrain.data.dataset_file import Array, Reader
from tttrain.errors import USAGE, TrainError

#: what a user may ask for
Cache = Literal["auto", "gpu", "memory", "none"]
#: share of the free memory that ``auto`` takes at most, where no limit is given; a network needs the rest
SHARE = {"gpu": 0.4, "memory": 0.5}
#: modalities that are large; all else stays in main memory
PIXELS = ("rgb", "flow")


def free_memory(place: Literal["gpu", "memory"], device: torch.device) -> int:
    """Return the bytes that are free on the GPU, or in main memory."""
    if place == "gpu":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # not Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def choose_cache(
    wanted: Cache, needed: int, device: torch.device, limit: int | None = None, processes: int = 1
) -> Literal["gpu", "memory", "none"]:
    """Choose where the windows are kept.

    Parameters
    ----------
    wanted : {"auto", "gpu", "memory", "none"}
        auto: on the GPU if they fit there, else in memory if they fit there, else not at all.
    needed : int
        Bytes of all windows.
    device : torch.device
    limit : int, optional
        Bytes that the cache may take; default: :data:`SHARE` of what is free.
    processes : int
        Share the main memory of one machine; each keeps its own.

    Returns
    -------
    {"gpu", "memory", "none"}

    Raises
    ------
    TrainError
        What was asked for does not fit, or there is no GPU.
    """
    if wanted == "gpu" and device.type != "cuda":
        raise TrainError(f"--cache gpu needs a GPU, and the device is {device}; take --cache memory", USAGE)
    if wanted == "none":
        return "none"
    places: list[Literal["gpu", "memory"]] = ["gpu", "memory"] if device.type == "cuda" else ["memory"]
    for place in places if wanted == "auto" else [wanted]:
        free = free_memory(place, device) // (processes if place == "memory" else 1)
        if needed <= (SHARE[place] * free if limit is None else min(limit, free)):
            return place
        if wanted != "auto":
            most = f"{free / 2**30:.2f} GiB are free"
            if limit is not None and limit <= free:
                most = f"--cache-limit {limit / 2**30:g} is the limit"
            raise TrainError(
                f"--cache {wanted}: the windows need {needed / 2**30:.2f} GiB, {most}; "
                "take --cache none, or a smaller --size or --length"
            )
    return "none"


def _placed(stored: Mapping[str, Array], place: str, device: torch.device) -> dict[str, Array | Tensor]:
    """Put the windows of one sample where they stay.

    Parameters
    ----------
    stored : mapping
        Name → rows.
    place : {"gpu", "memory"}
    device : torch.device
        Memory is page-locked where this is a GPU: copies then need no help of the CPU.

    Returns
    -------
    dict
        Pixels as tensors where a GPU is involved, all else as it was.
    """
    out: dict[str, Array | Tensor] = {}
    for name, values in stored.items():
        if name not in PIXELS or device.type != "cuda":
            out[name] = values
        elif place == "gpu":
            out[name] = torch.from_numpy(np.ascontiguousarray(values)).to(device)
        else:
            out[name] = torch.from_numpy(np.ascontiguousarray(values)).pin_memory()
    return out


class Keeper:
    """What a data set whose windows can be kept has in common with the others.

    Parameters
    ----------
    reader : Reader
        Of the dataset file.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._kept: dict[int, dict[str, Array | Tensor]] | None = None

    @property
    def kept(self) -> bool:
        """Whether nothing is left to read."""
        return self._kept is not None

    def _everything(self) -> Iterable[tuple[int, dict[str, Array]]]:
        """Read all: row of its table, stored values."""
        raise NotImplementedError

    def keep(
        self,
        place: Literal["gpu", "memory"] = "memory",
        device: torch.device | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Read everything now and keep it, reduced.

        Parameters
        ----------
        place : {"gpu", "memory"}
        device : torch.device, optional
            That trains; default: the CPU.
        progress : callable, optional
            Gets the bytes of pixels of each part that has been read.
        """
        found = {}
        for row, stored in self._everything():
            found[row] = _placed(stored, place, device or torch.device("cpu"))
            if progress is not None:
                progress(sum(v.nbytes for name, v in stored.items() if name in PIXELS))
        self._kept = found
        self.close()

    def close(self) -> None:
        """Close the file in this process; it is opened again where it is needed."""
        self._reader.close()


def take(values: Array | Tensor, rows: NDArray[np.intp]) -> Tensor:
    """Take rows; without a copy where they are evenly spaced.

    Parameters
    ----------
    values : (n, …) array or tensor
    rows : (T,) or (K, T) intp

    Returns
    -------
    (T, …) or (K, T, …) tensor
        Contiguous unless it lies on a GPU or in page-locked memory.
    """
    step = int(rows[1] - rows[0]) if rows.ndim == 1 and len(rows) > 1 else 1
    even = rows.ndim == 1 and step > 0 and bool((np.diff(rows) == step).all())
    picked = values[int(rows[0]) : int(rows[-1]) + 1 : step] if even else values[rows]
    if isinstance(picked, Tensor):
        return picked
    return torch.from_numpy(np.ascontiguousarray(picked))
