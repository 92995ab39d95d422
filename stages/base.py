"""What a stage is: a name, a version, typed parameters, declared inputs and outputs, one function.

A stage knows arrays and nothing else. The pipeline hands it an iterator of :class:`Block` and takes back one
of :class:`Result`. What else it must know is declared in a :class:`Stage`: the module-level ``STAGE`` of a
module here, or of another distribution (docs/contributing/add-a-stage.md).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from stages.errors import StageError as StageError

Array = NDArray[Any]
Arrays = Mapping[str, Array]
Kind = Literal["image", "mask", "vectors", "table", "samples"]
Modality = Literal["rgb", "flow", "pose"]

#: among a stage's inputs: the source file itself, which a block then carries as :attr:`Block.source`
VIDEO = "video"
#: as a chunk's extent: the whole axis
WHOLE = 4096


class Params(BaseModel):
    """Base of every stage's parameters: frozen, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NoParams(Params):
    """For a stage that has nothing to set."""


P = TypeVar("P", bound=Params)


@dataclass(frozen=True)
class ArraySpec:
    """Declare one output array.

    Attributes
    ----------
    name : str
        Unique within the stage.
    dtype : str
        numpy name, e.g. ``"uint8"``.
    axes : tuple of str
        Axis names in order; blocks run along the first (``"frame"``, ``"pair"``).
    units : str
        Physical unit of the *decoded* values, ``"1"`` where there is none.
    kind : str
        From which the pipeline picks chunk shape and codec: ``image`` (frames, redundant in time), ``mask``,
        ``vectors`` (flow), ``table`` (small rows), ``samples`` (must read right with plain h5py).
    scale : float
        Decoded value = stored value × scale.
    description : str
        One sentence for the reader of the file.
    chunk : tuple of int, optional
        Elements per chunk; :data:`WHOLE` takes a whole axis. None: by the kind.
    codec : str
        Likewise; empty: by the kind.
    given_by : str
        The input without which the array is left out; empty: it is always there.
    unknown : bool
        Values may be NaN.
    """

    name: str
    dtype: str
    axes: tuple[str, ...]
    units: str = "1"
    kind: Kind = "table"
    scale: float = 1.0
    description: str = ""
    chunk: tuple[int, ...] | None = None
    codec: Literal["", "zstd", "lz4"] = ""
    given_by: str = ""
    unknown: bool = False


@dataclass(frozen=True)
class VideoInfo:
    """What a stage may know of the video that its arrays come from.

    Attributes
    ----------
    n_frames : int
        Frames actually decoded; -1 while that is unknown (only the frames stage sees this).
    fps : Fraction
        Frame rate in 1/s.
    width, height : int
        Size of the *stored* frames in pixels; 0 while unknown.
    fit : str
        How the source's was fitted into them: ``exact``, ``pad``, ``crop`` or ``stretch``.
    """

    n_frames: int = -1
    fps: Fraction = Fraction(120)
    width: int = 0
    height: int = 0
    fit: str = "exact"


@dataclass(frozen=True)
class SourceFile:
    """The source of a video, for stages that declare :data:`VIDEO` among their inputs.

    Attributes
    ----------
    path : Path
        A video file, or a folder of pictures.
    joints : (n, 13, 3) float64 or None
        Those that came with it: x, y in px of the source picture, score.
    """

    path: Path
    joints: Array | None = None


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
    source : SourceFile or None
        For stages that declare :data:`VIDEO`.
    """

    start: int
    stop: int
    first: int
    data: Arrays
    source: SourceFile | None = None

    def rows(self, name: str) -> Array:
        """Return rows [start, stop) of one input, without its halo."""
        return self.data[name][self.start - self.first : self.stop - self.first]

    def file(self) -> SourceFile:
        """Return the source; RuntimeError where the stage has not declared it."""
        if self.source is None:
            raise RuntimeError(f"this block carries no source: the stage must declare the input {VIDEO!r}")
        return self.source


class Result(dict[str, Array]):
    """Output rows by array name, and attributes that became known with them.

    Parameters
    ----------
    arrays : mapping of str to array
    attrs : mapping, optional
        Attributes for the file; those of later results are added to those of earlier ones.
    """

    def __init__(self, arrays: Arrays, attrs: Mapping[str, Any] | None = None) -> None:
        super().__init__(arrays)
        self.attrs = dict(attrs or {})


#: blocks, parameters, video → one result per block (or fewer, longer ones)
Compute = Callable[[Iterator[Block], P, VideoInfo], Iterator[Result]]


@dataclass(frozen=True)
class Span:
    """The frames stored for one sample.

    Attributes
    ----------
    begin, end : int
        Frames [begin, end) of the video.
    repeat : int
        How often the last of them is repeated behind, where the video ends too early.
    """

    begin: int
    end: int
    repeat: int

    @property
    def rows(self) -> int:
        """Stored frames."""
        return self.end - self.begin + self.repeat


@dataclass(frozen=True)
class Sampling(Generic[P]):
    """How a stage runs through the annotated samples of a video instead of through all of it.

    Attributes
    ----------
    span : callable
        Begin and end of a sample, parameters, frames of the video → the frames to store.
    pad : callable
        Last result, number of rows → rows that continue it behind its last frame.
    whole : bool
        Each sample comes in one block, and a result is of one: arrays of axis ``sample`` have one row.
    """

    span: Callable[[int, int, P, int], Span]
    pad: Callable[[Arrays, int], Result]
    whole: bool = False


@dataclass(frozen=True)
class Setting:
    """What decides whether a stage applies.

    Attributes
    ----------
    modalities : frozenset of str
        Of the manifest.
    untrimmed : bool
        Whether whole videos are cut to the ROI too.
    starts : bool
        Whether the video (of a whole manifest: any of its videos) is a sample from its start frame on.
    quality : bool
        Whether videos and results are judged.
    pose3d : bool
        Whether the player's skeleton in space is wanted.
    """

    modalities: frozenset[str]
    untrimmed: bool = False
    starts: bool = False
    quality: bool = True
    pose3d: bool = False


@dataclass(frozen=True)
class Derived(Generic[P]):
    """Parameters that a file outside the manifest decides, such as a network's weights.

    Attributes
    ----------
    params : Params
        With the derived values filled in.
    environment : mapping of str to str
        Variables that a worker needs to find the same file.
    unavailable : str
        Why the stage cannot run now, with the remedy; empty where it can.
    """

    params: P
    environment: Mapping[str, str] = field(default_factory=dict)
    unavailable: str = ""


@dataclass(frozen=True)
class Stage(Generic[P]):
    """Declare a step of the pipeline.

    Attributes
    ----------
    name : str
    version : int
        Raised by hand whenever the output changes for the same input; part of the key.
    title : str
        One line for tables and help texts.
    params : type of Params
    inputs : tuple of str
        ``"<stage>.<array>"`` for each array read, or :data:`VIDEO` for the source file itself.
    outputs : tuple of ArraySpec
    compute : callable
        Pure: same blocks and parameters, same arrays, whatever the block size.
    splittable : bool
        Whether ranges of rows may be computed apart (flow, pose) or the whole must run in order
        (a background model).
    in_order : callable
        Parameters → whether it must run in order with them all the same.
    halo : (int, int)
        Frames needed before the first and after the last row of a block.
    rows : {"frames", "pairs"}
        Number of output rows: one per frame (n), or one per pair of frames (n − 1).
    optional : mapping of str to str
        Inputs that are read only where a modality is on → that modality.
    accepts : mapping of str to callable
        Inputs that are read only where they are good enough → whether they are, by the parameters of the
        stage that makes them.
    modality : str
        The modality that the stage exists for alone; empty: it serves all.
    applies : callable
        Setting → whether a run without ``--stage`` includes it (where its modality is on).
    sampling : Sampling or None
        For a stage that runs through annotated samples; None: through the whole video.
    replaced_by_joints : bool
        Whether the frames stage has its arrays where the source came with joint positions.
    reads : callable or None
        Parameters → those of ``inputs`` that are read with them; None: all.
    unread : callable
        Parameters → names of those that are ignored with them; they count as their defaults, in the key too.
    summary_only : tuple of str
        Parameters that only a summary over videos reads: no part of the key.
    bind : callable
        Parameters, the source's frame rate from the manifest or None → parameters for that source.
    focus : str
        The hidden parameter that takes the video's :class:`stages.focus.Focus`; empty: none.
    judges : bool
        Whether it only judges what other stages made: no dataset holds it, waits for it or depends on it.
    derive : callable or None
        Parameters, path given for them or None, whether a download is allowed → :class:`Derived`.
    file : str
        The parameter, no part of the key, that names such a file; empty: none.
    hidden : tuple of str
        Parameters that ``derive`` fills in; a manifest does not list them.
    attrs : callable
        Parameters, video → extra attributes for the file (units, conventions, derived constants).
    """

    name: str
    version: int
    title: str
    params: type[P]
    inputs: tuple[str, ...]
    outputs: tuple[ArraySpec, ...]
    compute: Compute[P]
    splittable: bool = False
    in_order: Callable[[P], bool] = lambda params: False
    halo: tuple[int, int] = (0, 0)
    rows: Literal["frames", "pairs"] = "frames"
    optional: Mapping[str, Modality] = field(default_factory=dict)
    accepts: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)
    modality: Literal["", "rgb", "flow", "pose"] = ""
    applies: Callable[[Setting], bool] = lambda setting: True
    sampling: Sampling[P] | None = None
    replaced_by_joints: bool = False
    reads: Callable[[P], tuple[str, ...]] | None = None
    unread: Callable[[P], Collection[str]] = lambda params: ()
    summary_only: tuple[str, ...] = ()
    bind: Callable[[P, float | None], P] = lambda params, fps: params
    focus: str = ""
    judges: bool = False
    derive: Callable[[P, Path | None, bool], Derived[P]] | None = None
    file: str = ""
    hidden: tuple[str, ...] = ()
    attrs: Callable[[P, VideoInfo], dict[str, Any]] = lambda params, info: {}

    @property
    def upstream(self) -> tuple[str, ...]:
        """Names of the stages it reads from, in declared order, without the source."""
        return upstream_of(self.inputs)

    @property
    def is_root(self) -> bool:
        """Whether it reads the source alone: it counts the frames that all other stages rely on."""
        return not self.upstream

    def output(self, name: str) -> ArraySpec:
        """Return the declared output of that name; KeyError where there is none."""
        for spec in self.outputs:
            if spec.name == name:
                return spec
        raise KeyError(f"stage {self.name} declares no output {name!r}")

    def typed(self, params: Params) -> P:
        """Return parameters as this stage's own type; TypeError where they are another stage's."""
        if not isinstance(params, self.params):
            raise TypeError(f"stage {self.name} takes {self.params.__name__}, not {type(params).__name__}")
        return params

    def settled(self, params: P) -> P:
        """Return the parameters with those that are not read at their defaults."""
        return self._at_defaults(params, self.unread(params))

    def key_values(self, params: P) -> dict[str, Any]:
        """Return the parameters that a result depends on, as JSON values for its key."""
        return self._at_defaults(self.settled(params), self.summary_only).model_dump(mode="json")

    def _at_defaults(self, params: P, names: Collection[str]) -> P:
        defaults = {name: self.params.model_fields[name].get_default() for name in names}
        return params.model_copy(update=defaults) if defaults else params


def upstream_of(arrays: Collection[str]) -> tuple[str, ...]:
    """Return the stages that make these arrays, in order, each once."""
    return tuple(dict.fromkeys(name.split(".")[0] for name in arrays if name != VIDEO))
