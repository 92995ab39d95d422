"""The manifest ``data_manifest.yaml``: what to process and how; every default is the three-stream paper's."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pipeline.annotations import NEGATIVE, STROKES, TAXONOMIES, AnnotationOptions, CleaningParams, Taxonomy
from pipeline.annotations.label_mapping import MOST_CLASSES
from pipeline.errors import USAGE, UserError
from pipeline.inputs.cluster import Cluster
from pipeline.inputs.focus import Foci, FociField
from pipeline.inputs.labels import LabelColumns
from pipeline.inputs.quality import Quality
from pipeline.inputs.yaml_file import Lines, load
from stages.base import P, Params, Stage
from stages.registry import registry

DEFAULT_NAME = "data_manifest.yaml"
Modality = Literal["rgb", "flow", "pose"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _WithFocus(_Part):
    """An entry that may have a focus of its own."""

    def foci(self, usual: Foci) -> Foci:
        """Return its focus: its own where it says anything, ``null`` too, else the manifest's."""
        own: Foci = getattr(self, "focus", ())
        return own if "focus" in self.model_fields_set else usual


class VideoEntry(_WithFocus):
    """One video of the manifest, or all in a folder; of several that hold a video the nearest counts."""

    path: Path = Field(description="relative to the manifest")
    fps: float | None = Field(None, gt=0, description="if the file's own tag is wrong")
    player: str = Field("", description="for splits by player")
    group: str = Field("", description="what it was taken from, as a match; for splits and folds by group")
    focus: FociField = Field(
        (),
        description="where its player is: a word, box or polygon; or {anna: left, ben: right}; docs/focus.md",
    )


class SourceEntry(_WithFocus):
    """Many short videos that are one sample each: trials as folders of pictures, or clips; docs/sequences.md.

    Attributes
    ----------
    kind : {"frames", "clips"}
        Every folder below ``path`` that holds pictures is a trial; every video file below it is a clip.
    path : Path
        Folder, relative to the manifest, searched to any depth.
    fps : float or None
        Frame rate, 1/s. Pictures need it; of clips only where the files' tags are wrong.
    joints : str
        File of a trial's given joint positions, relative to the trial; ``{trial}`` stands for its name.
    labels : str
        ``folder``: the folder that a trial or clip lies in is its label; else a CSV with the columns ``file``
        and ``label``, relative to the manifest. Empty: no samples.
    columns : LabelColumns
        Where the CSV's columns have other names, or several make up the label.
    sample : {"whole", "start"}
        Whether the sample is all of it or begins at the start frame that is found in it.
    player, group : str
        Of all of them; a column of the CSV takes precedence.
    focus : Foci
        Where the player is in all of them, likewise.
    """

    kind: Literal["frames", "clips"]
    path: Path
    fps: float | None = Field(None, gt=0, le=100_000)
    joints: str = ""
    labels: str = ""
    columns: LabelColumns = LabelColumns()
    sample: Literal["whole", "start"] = "whole"
    player: str = ""
    group: str = ""
    focus: FociField = ()

    @model_validator(mode="after")
    def _fits_its_kind(self) -> SourceEntry:
        if self.kind == "frames" and self.fps is None:
            raise ValueError("pictures have no frame rate of their own; give fps")
        if self.kind == "clips" and self.joints:
            raise ValueError("only folders of pictures have joints; remove joints, or use kind: frames")
        if "columns" in self.model_fields_set and self.labels in ("", "folder"):
            raise ValueError("columns are those of a CSV; give labels: FILE.csv, or remove columns")
        return self


class Splits(_Part):
    """How samples are divided.

    Attributes
    ----------
    train, validation, test : float
        Shares of the samples; together 1.
    seed : int
        Seed of the draw.
    by : {"sample", "video", "player", "group"}
        What is drawn: samples one by one, or all samples of a video, player or group together, so that a
        network is tested on videos, players or groups that it has not seen.
    """

    train: float = Field(0.7, ge=0, le=1)
    validation: float = Field(0.2, ge=0, le=1)
    test: float = Field(0.1, ge=0, le=1)
    seed: int = Field(0, ge=0)
    by: Literal["sample", "video", "player", "group"] = "sample"

    @model_validator(mode="after")
    def _sums_to_one(self) -> Splits:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train + validation + test are {total:g}, not 1; change one of them")
        return self


class Manifest(_Part):
    """A validated manifest.

    Attributes
    ----------
    version : int
        Version of the manifest's form.
    store : Path
        Folder of the feature store, relative to the manifest.
    videos : tuple of VideoEntry
        Videos and folders of videos, used where the command line names none. An entry may be a path alone.
    sources : tuple of SourceEntry
        Folders of trials or clips, each of them one sample; used where the command line names none.
    focus : Foci
        Where the player is in videos and sources that do not say so themselves; docs/focus.md.
    annotations : tuple of Path
        Files and folders of annotations. A single one needs no list.
    modalities : tuple of str
        What cuboids hold.
    dataset : Path or None
        Where ``run`` writes the dataset once there are samples; None: only ``export`` does.
    compact : bool
        Whether the dataset's pixels are compressed.
    shards : "auto", float or None
        Whether the dataset's pixels lie in files of their own beside it, of which a change rewrites one:
        ``auto``, or the size of one in MB; null: all in one file.
    untrimmed : bool
        Whether whole videos are cut to the ROI too, for sliding-window detection.
    pose_weights : Path or None
        Folder of PoseNet weights.
    pose3d : bool
        Whether the player's skeleton is sought in space too.
    classes : tuple of str
        Stroke names of the taxonomy ``strokes``, in index order.
    taxonomy : str
        The view that labels are read in.
    taxonomies : tuple of Taxonomy
        Further views.
    annotation_options : AnnotationOptions
        How annotation files are read, where the defaults do not fit.
    cleaning : CleaningParams
        Which annotations become samples.
    splits : Splits
        How samples are divided into training, validation and test.
    quality : Quality
        From which measures on a video or a sample is flagged; false: quality is not measured.
    cluster : Cluster
        What `run --cluster` asks a batch system for; docs/cluster.md.
    stages : dict of str to Params
        Parameters by stage, each of that stage's own type; a stage that is not named has its defaults.
    folder : Path
        What relative paths are relative to.
    """

    version: Literal[1] = 1
    store: Path = Path("ttprep-store")
    videos: tuple[VideoEntry, ...] = ()
    sources: tuple[SourceEntry, ...] = ()
    focus: FociField = ()
    annotations: tuple[Path, ...] = ()
    modalities: tuple[Modality, ...] = ("rgb", "flow", "pose")
    dataset: Path | None = Path("dataset.h5")
    compact: bool = False
    shards: Literal["auto"] | float | None = None
    untrimmed: bool = False
    pose_weights: Path | None = None
    pose3d: bool = False
    classes: tuple[str, ...] = Field((*STROKES, NEGATIVE), max_length=MOST_CLASSES)
    taxonomies: tuple[Taxonomy, ...] = ()
    taxonomy: str = "strokes"  # checked against those in front of it
    annotation_options: AnnotationOptions = AnnotationOptions()
    cleaning: CleaningParams = CleaningParams()
    splits: Splits = Splits()
    quality: Quality = Quality()
    cluster: Cluster = Cluster()
    stages: dict[str, SerializeAsAny[Params]] = Field(default_factory=dict)
    folder: Path = Field(Path("."), exclude=True)

    @field_validator("videos", mode="before")
    @classmethod
    def _paths_alone(cls, videos: Any) -> Any:
        if isinstance(videos, list):
            return tuple({"path": v} if isinstance(v, str) else v for v in videos)
        return videos

    @field_validator("annotations", mode="before")
    @classmethod
    def _files(cls, annotations: Any) -> Any:
        if isinstance(annotations, dict):
            raise ValueError("is a list of files and folders; how they are read stands in annotation_options")
        return (annotations,) if isinstance(annotations, str) else annotations

    @field_validator("shards", mode="before")
    @classmethod
    def _shards(cls, value: Any) -> Any:
        size = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0.001
        if not (value is None or value == "auto" or size):
            raise ValueError("is null, auto or the size of a shard in MB; set one of these")
        return value

    @field_validator("stages", mode="before")
    @classmethod
    def _typed(cls, stages: Any) -> Any:
        if not isinstance(stages, dict):
            return stages
        known = registry()
        unknown = [name for name in stages if name not in known]
        if unknown:
            raise ValueError(f"there is no stage {unknown[0]!r}")
        return {
            name: values if isinstance(values, Params) else known[name].params(**(values or {}))
            for name, values in stages.items()
        }

    @field_validator("classes", "modalities")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names) or not names:
            raise ValueError("must name at least one, and none twice")
        return names

    @field_validator("taxonomy")
    @classmethod
    def _taxonomy_exists(cls, name: str, others: ValidationInfo) -> str:
        if "taxonomies" not in others.data:  # they are wrong themselves, and said to be
            return name
        known = {"strokes", *TAXONOMIES, *(t.name for t in others.data["taxonomies"])}
        if name not in known:
            raise PydanticCustomError(  # its own type: the message says the value already
                "taxonomy", "{name} is unknown; known: {known}",
                {"name": repr(name), "known": ", ".join(sorted(known))},
            )  # fmt: skip
        return name

    @property
    def view(self) -> Taxonomy:
        """The taxonomy in use."""
        for taxonomy in self.taxonomies:
            if taxonomy.name == self.taxonomy:
                return taxonomy
        if self.taxonomy == "strokes":
            return Taxonomy(name="strokes", classes={c: (c,) for c in self.classes})
        return TAXONOMIES[self.taxonomy]

    def params(self, stage: Stage[P]) -> P:
        """Return the parameters of one stage."""
        given = self.stages.get(stage.name)
        return stage.params() if given is None else stage.typed(given)

    def resolve(self, path: Path) -> Path:
        """A path of the manifest, relative to the manifest's folder."""
        return path if path.is_absolute() else self.folder / path


def read_manifest(path: Path | None) -> Manifest:
    """Read and validate a manifest.

    Parameters
    ----------
    path : Path or None
        None: ``data_manifest.yaml`` of the working folder where there is one, else the defaults.

    Raises
    ------
    UserError
        Names file, line, what is wrong and the remedy (exit code 2).
    """
    if path is None:
        path = Path(DEFAULT_NAME)
        if not path.exists():
            return Manifest()
    value, lines = load(path)
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise UserError(f"{path}:1: a manifest is a mapping of names to values; see `ttprep init`", USAGE)
    problems = _stage_problems(value.get("stages"), lines)
    if problems:  # they stand for the whole section: it is left out of what follows
        value = {name: part for name, part in value.items() if name != "stages"}
    manifest = None
    try:
        manifest = Manifest(**{**value, "folder": path.parent} if "folder" not in value else value)
    except ValidationError as e:
        problems += [_explain(err, (), lines, Manifest) for err in e.errors()]
    if problems or manifest is None:
        raise UserError("\n".join(f"{path}:{line}: {text}" for line, text in sorted(problems)), USAGE)
    return manifest


def _stage_problems(stages: Any, lines: Lines) -> list[tuple[int, str]]:
    if not isinstance(stages, dict):
        return []
    problems: list[tuple[int, str]] = []
    for name, params in stages.items():
        at = ("stages", name)
        if name not in registry():
            hint = _nearest(name, registry())
            problems.append((lines.get(at, 1), f"there is no stage {name!r}; {hint}"))
        elif isinstance(params, dict):
            hidden = registry()[name].focus
            if hidden and hidden in params:
                text = f"{name}.{hidden} is of videos, not of stages; set `focus:` on top or in an entry"
                problems.append((lines.get((*at, hidden), 1), text))
                continue
            try:
                registry()[name].params(**params)
            except ValidationError as e:
                problems += [_explain(err, at, lines, registry()[name].params) for err in e.errors()]
    return problems


def _nearest(name: str, known: Any) -> str:
    head, dot, tail = name.partition(".")
    if dot and head in ("annotations", *known):  # a path of keys, as messages write it, in place of a key
        key = "annotation_options" if head == "annotations" else head
        return f"nest it: {key}: {{{tail}: …}}"
    close = difflib.get_close_matches(name, list(known), 1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(known)}" if known else "remove it"


def _explain(error: Any, at: tuple[str | int, ...], lines: Lines, model: type[BaseModel]) -> tuple[int, str]:
    where = (*at, *error["loc"])
    known = where
    while known and known not in lines:
        known = known[:-1]
    name = ".".join(str(p) for p in where)
    if error["type"] == "extra_forbidden":
        hint = _nearest(str(where[-1]), _fields(model, error["loc"]))
        return lines.get(known, 1), f"unknown key {name!r}; {hint}"
    given = isinstance(error["input"], str | int | float | bool) and error["type"] != "taxonomy"
    got = f", not {error['input']!r}" if given else ""
    text = str(error["msg"]).removeprefix("Value error, ")
    return lines.get(known, 1), f"{name}: {text[:1].lower()}{text[1:]}{got}"


def _fields(model: type[BaseModel], at: tuple[str | int, ...]) -> list[str]:
    """Names that are known where an unknown one stood."""
    for step in at[:-1]:
        if isinstance(step, str) and step in model.model_fields:
            kind = model.model_fields[step].annotation
            inner = next(
                (t for t in (kind, *get_args(kind)) if isinstance(t, type) and issubclass(t, BaseModel)), None
            )
            if inner is None:
                return []
            model = inner
    hidden = {name for stage in registry().values() if stage.params is model for name in stage.hidden}
    return [f for f in model.model_fields if f not in {"folder", *hidden}]
