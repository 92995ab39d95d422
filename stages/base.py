"""What a stage is: a name, a version, typed parameters, declared inputs and outputs, one function.

A stage knows arrays and nothing else: no file, no store, no cluster. The pipeline hands it an
iterator of :class:`Block` and takes back an iterator of dictionaries of arrays. Adding a stage to
ttprep means adding one module (or folder) to this package that has a module-level ``STAGE``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Array = NDArray[Any]
Arrays = Mapping[str, Array]
Kind = Literal["image", "mask", "vectors", "table", "samples"]


class Params(BaseModel):
    """Base of every stage's parameters: frozen, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NoParams(Params):
    """For a stage that has nothing to set."""


@dataclass(frozen=True)
class ArraySpec:
    """One declared output array.

    Attributes
    ----------
    name : str
        Unique within the stage.
    dtype : str
        numpy name, e.g. ``"uint8"``.
    axes : tuple of str
        Axis names in order; the first is the one that blocks run along (``"frame"``, ``"pair"``).
    units : str
        Physical unit of the *decoded* values, ``"1"`` where there is none.
    kind : str
        What the values look like, from which the pipeline picks chunk shape and codec: ``image``
        (frames, temporally redundant), ``mask``, ``vectors`` (flow), ``table`` (small rows),
        ``samples`` (pixel data that must read right with plain h5py).
    scale : float
        Decoded value = stored value × scale.
    description : str
        One sentence for the reader of the file.
    """

    name: str
    dtype: str
    axes: tuple[str, ...]
    units: str = "1"
    kind: Kind = "table"
    scale: float = 1.0
    description: str = ""


@dataclass(frozen=True)
class VideoInfo:
    """What a stage may know of the video that its arrays come from.

    Attributes
    ----------
    n_frames : int
        Frames really decoded; -1 while that is unknown (only the frames stage sees this).
    fps : Fraction
        Frame rate in 1/s.
    width, height : int
        Size of the *stored* frames in pixels; 0 while unknown.
    fit : str
        How the source picture was fitted into them: ``exact``, ``pad``, ``crop`` or ``stretch``.
    """

    n_frames: int = -1
    fps: Fraction = Fraction(120)
    width: int = 0
    height: int = 0
    fit: str = "exact"


@dataclass(frozen=True)
class Block:
    """A run of frames given to a stage, with the neighbours its halo asks for.

    Attributes
    ----------
    start, stop : int
        The output rows [start, stop) that this block must produce.
    first : int
        Frame index of row 0 of the arrays in ``data``: ``start - halo before``, clipped at 0.
    data : mapping of str to array
        ``"<stage>.<array>"`` → rows [first, min(stop + halo after, n)).
    """

    start: int
    stop: int
    first: int
    data: Arrays

    def rows(self, name: str) -> Array:
        """Rows [start, stop) of one input, without its halo."""
        return self.data[name][self.start - self.first : self.stop - self.first]


#: blocks, parameters, video -> one dictionary of arrays a block (or fewer, longer ones)
Compute = Callable[[Iterator[Block], Any, VideoInfo], Iterator[dict[str, Array]]]


@dataclass(frozen=True)
class Stage:
    """A declared step of the pipeline.

    Attributes
    ----------
    name : str
    version : int
        Raised by hand whenever the output changes for the same input; part of the key.
    title : str
        One line for tables and help texts.
    params : type of Params
    inputs : tuple of str
        ``"<stage>.<array>"`` for each array read, or ``"video"`` for the source file itself.
    outputs : tuple of ArraySpec
    compute : callable
        Pure: same blocks and parameters, same arrays, whatever the block size.
    splittable : bool
        Whether ranges of rows may be computed apart (flow, pose) or the whole must run in order
        (a background model).
    halo : (int, int)
        Frames needed before the first and after the last row of a block.
    rows : {"frames", "pairs"}
        Number of output rows: one a frame (n), or one a pair of frames (n-1).
    optional : tuple of str
        Inputs that may be switched off in the manifest (modalities).
    unit : {"blocks", "samples"}
        Whether blocks run through the whole video in order, or through its annotated samples.
    reads : callable or None
        Parameters → those of ``inputs`` that are read with them; None: all.
    attrs : callable
        Parameters, video → extra attributes for the file (units, conventions, derived constants).
    """

    name: str
    version: int
    title: str
    params: type[Params]
    inputs: tuple[str, ...]
    outputs: tuple[ArraySpec, ...]
    compute: Compute
    splittable: bool = False
    halo: tuple[int, int] = (0, 0)
    rows: Literal["frames", "pairs"] = "frames"
    optional: tuple[str, ...] = ()
    unit: Literal["blocks", "samples"] = "blocks"
    attrs: Callable[[Any, VideoInfo], dict[str, Any]] = field(default=lambda params, info: {})
    reads: Callable[[Any], tuple[str, ...]] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # by name: a worker must hold the same version, or nothing it makes is what the key says
        return _installed, (self.name, self.version)

    @property
    def upstream(self) -> tuple[str, ...]:
        """Names of the stages it reads from, in declared order, without ``video``."""
        names = dict.fromkeys(i.split(".")[0] for i in self.inputs if i != "video")
        return tuple(names)

    def output(self, name: str) -> ArraySpec:
        """The declared output of that name; KeyError where there is none."""
        for spec in self.outputs:
            if spec.name == name:
                return spec
        raise KeyError(f"stage {self.name} declares no output {name!r}")


def _installed(name: str, version: int) -> Stage:
    from stages import registry

    stage = registry().get(name)
    if stage is None or stage.version != version:
        have = f"version {stage.version}" if stage else "none"
        raise RuntimeError(
            f"stage {name} version {version} is needed, here is {have}: install the same ttprep"
        )
    return stage


class StageError(Exception):
    """A stage cannot work on this input.

    Attributes
    ----------
    reason : str
        What is wrong, in a user's words.
    remedy : str
        What to do about it.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason, remedy)
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.reason}; {self.remedy}" if self.remedy else self.reason


def run_whole(stage: Stage, params: Params, info: VideoInfo, data: Arrays) -> dict[str, Array]:
    """Run a stage on whole arrays in memory, as one block.

    Parameters
    ----------
    stage : Stage
    params : Params
    info : VideoInfo
    data : mapping
        ``"<stage>.<array>"`` → whole array.

    Returns
    -------
    dict of str to array
        All declared outputs, concatenated along their first axis.
    """
    n = info.n_frames - 1 if stage.rows == "pairs" else info.n_frames
    parts = list(stage.compute(iter([Block(0, n, 0, data)]), params, info))
    return {s.name: np.concatenate([p[s.name] for p in parts]) for s in stage.outputs}
