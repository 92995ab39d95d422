"""The commented manifest that ``ttprep init`` writes, made from the models themselves.

``data_manifest.yaml`` at the root of the repository is this text; a test holds them equal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pipeline.annotations import AnnotationOptions
from pipeline.inputs.field_texts import described
from pipeline.inputs.manifest import Manifest
from pipeline.inputs.quality import Quality
from stages.base import Params
from stages.registry import registry

_HEAD = """\
# ttprep manifest: what to process, and how. Every value here is the default (the three-stream
# paper's), so a manifest needs only the lines that differ. `ttprep plan` says what a change
# would recompute. An unknown key or a bad value is an error that names its line.
version: 1

# Folder of the feature store, relative to this file.
store: ttprep-store

# Videos and folders, used where the command line names none. An entry may say more:
#   - {path: match1.mp4, fps: 120, player: anna}
#   - {path: match2.mp4, focus: {anna: left, ben: right}}
# fps only where the file's own tag is wrong; player is for splits by player; focus as below. What is said
# of a folder holds for all videos in it.
videos: []

# Many short videos that are one sample each (see docs/sequences.md): trials as folders of pictures,
# or clips, with one label a folder or from a CSV (file, label; group: what a clip was taken from):
#   - {kind: frames, path: trials, fps: 30, joints: joints.csv, labels: labels.csv, sample: start}
#   - {kind: clips, path: clips, labels: folder}
sources: []

# Where the player is, in videos and sources that do not say so themselves (docs/focus.md): left, right,
# near, far, a box [left, top, right, bottom] or a polygon [[x, y], ...] in shares of the picture, auto; or
# several players by name, as in {anna: left, ben: right}. Without, the whole picture is looked at.
focus: {}

# Annotation files and folders: MediaEval XML, OpenTTGames JSON, CSV, CVAT XML, Label Studio
# JSON, ELAN; see docs/annotations.md.
annotations: []

# How they are read, where the defaults do not fit: names of columns, of videos, of labels.
#   csv: {columns: {begin: start, end: stop, label: stroke}, unit: seconds}
#   videos: {"match1_*.csv": match1.mp4}
#   labels: {"fh loop": Offensive Forehand Loop}
# Every option and its default (docs/annotations.md says more):
{options}
annotation_options: {{}}

# What cuboids hold. Without pose, PoseNet is not needed.
modalities: [rgb, flow, pose]

# Where `ttprep run` (without --stage) writes the dataset once annotations give samples; null: nowhere.
dataset: dataset.h5

# Compress the dataset's pixels: a tenth of the bytes, slower to train from (docs/dataset-format.md).
compact: false

# Keep the pixels in files of their own beside the dataset, of which a change rewrites one: auto, or the size
# of one in MB; null: all in one file (docs/dataset-format.md).
shards: null

# Whether whole videos are cut to the ROI too, for sliding-window detection (about 25 kB a frame).
untrimmed: false

# Folder of PoseNet weights; null: TTPREP_POSENET_WEIGHTS, the cache, a download.
pose_weights: null

# Whether the player's skeleton is sought in space too; needs `pip install "ttprep[pose3d]"`.
pose3d: false

# The classes of the taxonomy `strokes`, in index order.
classes:
"""

_MIDDLE = """\

# The view that labels are read in: strokes, families, hands, ... or one of your own:
#   taxonomies: [{name: sides, classes: {Left: ["*left*"], Right: ["*right*"]}}]
taxonomy: strokes

# How samples are divided; `by` is sample, video, player or group. See docs/annotations.md.
splits: {train: 0.7, validation: 0.2, test: 0.1, seed: 0, by: sample}

# Rules for crowd-sourced annotations (seconds; see docs/annotations.md).
cleaning:
"""

_QUALITY = """\
# From which measures on a video or a sample is flagged (null: never; see docs/quality.md). A change computes
# nothing anew. `quality: false` measures nothing.
quality:"""


def template() -> str:
    """The manifest as text: every setting with its default and what it means."""
    default = Manifest()
    head, tail = _HEAD.split("{options}")
    lines = [head.rstrip("\n"), *_options(AnnotationOptions), tail.strip("\n").replace("{{}}", "{}")]
    lines += [f"  - {name}" for name in default.classes]
    lines.append(_MIDDLE.rstrip("\n"))
    cleaning = default.cleaning.model_dump(mode="json")
    lines += [
        f"  {name}: {_scalar(value)}" for name, value in cleaning.items() if not isinstance(value, dict)
    ]
    lines += ["  negatives:"]
    lines += [f"    {name}: {_scalar(value)}" for name, value in cleaning["negatives"].items()]
    lines += ["", *_QUALITY.splitlines()]
    limits = default.quality.model_dump(mode="json")
    lines += [
        f"  {name}: {_scalar(limits[name])}  # {field.description}"
        for name, field in Quality.model_fields.items()
    ]
    lines += ["", "# Parameters of the stages."]
    stages: list[str] = []
    for stage in registry().values():
        fields = {n: f for n, f in stage.params.model_fields.items() if n not in stage.hidden}
        if not fields:
            continue
        stages.append(f"  {stage.name}:  # {stage.title}")
        values = stage.params().model_dump(mode="json")
        documented = _documented(stage.params)
        for name, field in fields.items():
            text = field.description or documented.get(name, "")
            if get_origin(field.annotation) is Literal and "|" not in text:
                text = f"{text}: {' | '.join(map(str, get_args(field.annotation)))}"
            stages.append(f"    {name}: {_scalar(values.get(name))}" + (f"  # {text}" if text else ""))
    return "\n".join([*lines, "stages:", *stages]) + "\n"


#: options whose default is too long for a line, or that stand for a group with names of its own
_SHORT = {"strokes": "{serve: …}", "events": "[bounce, …]"}


def _options(model: type[Params], depth: int = 1) -> Iterator[str]:
    """Yield the options of reading annotations as comments, nested as in the manifest."""
    documented = _documented(model)
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        groups = [t for t in get_args(field.annotation) if isinstance(t, type) and issubclass(t, Params)]
        text = documented.get(name, "")
        text = text[:1].lower() + text[1:]
        if get_origin(field.annotation) is Literal:
            text = f"{text}: {' | '.join(get_args(field.annotation))}"
        start = f"#{'  ' * depth} {name}:"
        if isinstance(default, Params):
            yield start
            yield from _options(type(default), depth + 1)
        elif name == "csv":  # a list of groups, or one
            yield f"{start}  # {text}"
            yield from _options(groups[0], depth + 1)
        else:
            value = "label" if groups else _SHORT.get(name) or _scalar(default)
            yield f"{start} {value}" + (f"  # {text}" if text else "")


def _documented(params: type[Params]) -> dict[str, str]:
    """First sentences of what the fields mean, without marks of code."""
    found: dict[str, str] = {}
    for name, whole in described(params).items():
        sentence = re.split(r"(?<=[.;]) ", whole)[0]
        if sentence.count("``") % 2:  # it ended within a quotation
            sentence = re.split(r"(?<=\.) ", whole)[0]
        found[name] = sentence.replace("``", "").rstrip(".;")
    return found


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
