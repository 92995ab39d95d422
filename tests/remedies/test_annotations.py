"""What messages about annotation files say to do, followed as it is written: the strokes are read then."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from pipeline.annotations.parsing.video_names import PLACE
from pipeline.cli.main import main
from pipeline.errors import OK
from tests.remedies.following import Says, manifest, write

STROKE = "Serve Forehand Loop"
VIDEOS = "video,frames,fps\nclip.mp4,120,60\nother.mp4,120,60\n"
HEAD = "video,begin,end,label\n"
CSV = f"{HEAD}clip.mp4,10,70,{STROKE}\n"
CLIP = ("clip.mp4", 10, 70, STROKE)
OTHER = ("other.mp4", 10, 70, STROKE)
Samples = list[tuple[str, int, int, str]]


@dataclass(frozen=True)
class Reading:
    """Annotation files of which something is said.

    Attributes
    ----------
    files : mapping of str to (str or bytes)
        Below ``labels``.
    says : Says
    follow : callable
        Does what the message says.
    options : mapping
        ``annotation_options``.
    samples : list
        What must be read then.
    refused : bool
        Whether the files cannot be used before that.
    """

    files: Mapping[str, str | bytes]
    says: Says
    follow: Callable[..., object]
    options: Mapping[str, Any] = field(default_factory=dict)
    samples: Samples = field(default_factory=lambda: [CLIP])
    refused: bool = True


def labels(name: str, text: str | bytes) -> Callable[..., object]:
    return write(f"labels/{name}", text)


def options(**given: Any) -> Callable[..., None]:
    return lambda *_: manifest(annotations=["labels"], annotation_options=given)


def as_written(video: str = "", **more: Any) -> Callable[..., None]:
    """Return a step that takes over the setting that stands last in a message."""

    def step(*holes: str) -> None:
        text = holes[-1][holes[-1].index("annotation_options") :].replace(PLACE, video)
        value = yaml.safe_load(text)
        manifest(annotations=["labels"], annotation_options={**more, **value["annotation_options"]})

    return step


def add_video(name: str, *_: str) -> None:
    path = Path("videos.csv")
    path.write_text(f"{path.read_text()}{yaml.safe_load(name)},120,60\n")


def cvat(body: str, meta: str = "") -> str:
    return f"<annotations><meta>{meta}</meta>{body}</annotations>"


def track(begin: int = 10, end: int = 70) -> str:
    shapes = [f'<box frame="{t}" outside="{int(t == end)}"/>' for t in range(begin, end + 1)]
    return f'<track id="0" label="{STROKE}">{"".join(shapes)}</track>'


def task(frames: int, source: str = "clip.mp4") -> str:
    return f"<task><id>1</id><size>{frames}</size><source>{source}</source></task>"


def studio(
    start: int, end: int, video: str = "clip.mp4", data: Mapping[str, Any] | None = None, **more: Any
) -> str:
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": [STROKE], **more}
    result = [{"type": "timelinelabels", "from_name": "l", "to_name": "v", "value": value}]
    return json.dumps([{"data": {"video": video, **(data or {})}, "annotations": [{"result": result}]}])


def studio_min() -> str:
    value = {"ranges": [{"start": 11, "end": 70}], "timelinelabels": [STROKE]}
    return json.dumps([{"video": "clip.mp4", "strokes": [value], "player": ["anna", "ben"]}])


XML = f'<video><action begin="10" end="70" move="{STROKE}"/></video>'
SECONDS = {"csv": {"unit": "seconds"}}
CASES = {
    "a table without rows": Reading(
        {"a.csv": HEAD},
        Says("the table has a header and no rows; add them, or"),
        labels("a.csv", CSV),
    ),
    "a table without rows, removed": Reading(
        {"a.csv": CSV, "h.csv": HEAD},
        Says("the table has a header and no rows; add them, or remove the file"),
        lambda *_: Path("labels/h.csv").unlink(),
    ),
    "an empty file": Reading(
        {"a.csv": ""}, Says("the file is empty; export it again, or"), labels("a.csv", CSV)
    ),
    "an empty file, removed": Reading(
        {"a.csv": CSV, "e.xml": ""},
        Says("the file is empty; export it again, or remove it"),
        lambda *_: Path("labels/e.xml").unlink(),
    ),
    "players in Label Studio's JSON-MIN": Reading(
        {"a.json": studio_min()},
        Says("JSON-MIN does not say which {} is whose; not used: export JSON instead"),
        labels("a.json", studio(11, 70)),
        {"label_studio": {"frame_rate": 60}},
        refused=False,
    ),
    "an unknown video, added": Reading(
        {"a.csv": CSV.replace("clip", "new")},
        Says("no video {} is known ({}); add it"),
        add_video,
        samples=[("new.mp4", 10, 70, STROKE)],
    ),
    "an unknown video, named": Reading(
        {"a.csv": CSV.replace("clip", "new")},
        Says("or say which it is: {}"),
        as_written("other.mp4"),
        samples=[OTHER],
    ),
    "seconds of an unknown video": Reading(
        {"a.csv": f"{HEAD}new.mp4,0.5,1.5,{STROKE}\n"},
        Says("no video {} is known ({}); add it"),
        add_video,
        SECONDS,
        [("new.mp4", 30, 90, STROKE)],
    ),
    "a name of two videos": Reading(
        {"a.csv": CSV.replace("clip.mp4", "x.mp4")},
        Says("{} may be {}; give more of the path"),
        lambda name, some: labels("a.csv", CSV.replace("clip.mp4", some.split(" or ")[1]))(),
        samples=[("x.mp4", 10, 70, STROKE)],
    ),
    "an absolute path": Reading(
        {"a.csv": CSV.replace("clip", "/elsewhere/clip")},
        Says("{} is absolute, and no known video lies there; give its name alone"),
        labels("a.csv", CSV),
    ),
    "images of CVAT": Reading(
        {"clip.xml": cvat('<image id="0" name="frame_000000"/>')},
        Says("<{}> is no track; export the task as 'CVAT for video 1.1'"),
        labels("clip.xml", cvat(track())),
    ),
    "a task of another copy, annotated anew": Reading(
        {"a.xml": cvat(track(), task(240))},
        Says("has {} frames; if it was made of another copy of the video, {}: annotate this copy"),
        lambda frames, *_: labels("a.xml", cvat(track(), task(int(frames))))(),
        refused=False,
    ),
    "a task of another copy, added": Reading(
        {"a.xml": cvat(track(), task(240))},
        Says("annotate this copy, or add that one and say so: {}"),
        lambda setting: (
            write("videos.csv", f"{VIDEOS}copy.mp4,240,60\n")(),
            as_written("copy.mp4")(setting),
        ),
        samples=[("copy.mp4", 10, 70, STROKE)],
        refused=False,
    ),
    "positions of no rate, confirmed": Reading(
        {"a.json": studio(5, 28)},
        Says("confirm it with {}, or give"),
        as_written(),
        refused=False,
    ),
    "positions of no rate, told": Reading(
        {"a.json": studio(11, 70)},
        Says("or give the frameRate of the project, or video if positions are frames"),
        options(label_studio={"frame_rate": "video"}),
        refused=False,
    ),
    "positions behind the end": Reading(
        {"a.json": studio(11, 70)},
        Says("; set {} if positions are its frames"),
        as_written(),
        refused=False,
    ),
    "positions behind the end, the rate of the project": Reading(
        {"a.json": studio(11, 70)},
        Says("if positions are its frames, or give the frameRate of the project"),
        options(label_studio={"frame_rate": 60}),
        refused=False,
    ),
    "positions and seconds that contradict": Reading(
        {"a.json": studio(11, 70, framesCount=120, duration=2.0)},
        Says("a second, not {}; set {}"),
        as_written(),
        {"label_studio": {"frame_rate": 24}},
        refused=False,
    ),
    "an export of another video": Reading(
        {"a.json": studio(11, 70, framesCount=600)},
        Says("check whether it is the video that was annotated, and the frame rate of"),
        labels("a.json", studio(11, 70, framesCount=120)),
        {"label_studio": {"frame_rate": 60}},
        refused=False,
    ),
    "a field that a task lacks": Reading(
        {"a.json": studio(11, 70)},
        Says("the task has no number under {}, and 24 positions a second are assumed; give it"),
        lambda name: labels("a.json", studio(11, 70, data={yaml.safe_load(name): 60}))(),
        {"label_studio": {"frame_rate": "$rate"}},
        refused=False,
    ),
    "an upload of one of two": Reading(
        {"a.json": studio(11, 70, "/data/upload/1/1a2b3c4d-my_match.mp4")},
        Says("{} may be {}; say which: {}"),
        as_written("my match.mp4", label_studio={"frame_rate": 60}),
        {"label_studio": {"frame_rate": 60}},
        [("my match.mp4", 10, 70, STROKE)],
    ),
    "an upload of another name": Reading(
        {"a.json": studio(11, 70, "/data/upload/1/1a2b3c4d-my_final.mp4")},
        Says("Label Studio changes blanks and brackets; if that is wrong: {}"),
        as_written("clip.mp4", label_studio={"frame_rate": 60}),
        {"label_studio": {"frame_rate": 60}},
        refused=False,
    ),
    "a label without end": Reading(
        {"a.csv": f"{HEAD}clip.mp4,10,70,{'x' * 600}\n"},
        Says("a label or name of {} characters, {}; shorten it to {}"),
        labels("a.csv", CSV),
    ),
    "a table of seconds": Reading(
        {"a.csv": f"{HEAD}clip.mp4,0.5,1.5,{STROKE}\n"},
        Says("; if the table holds seconds: {}"),
        as_written(),
        samples=[("clip.mp4", 30, 90, STROKE)],
    ),
    "a quotation mark in a row": Reading(
        {"a.csv": f'{HEAD}clip.mp4,80,110,"{STROKE}\nclip.mp4,10,70,{STROKE}\n'},
        Says("up to line {}; is a quotation mark open?"),
        labels("a.csv", CSV),
    ),
    "a quotation mark in the header": Reading(
        {"a.csv": CSV.replace("label", '"label', 1)},
        Says("the header cannot be read; is a quotation mark open?"),
        labels("a.csv", CSV),
    ),
    "an 8-bit table": Reading(
        {"a.csv": (CSV + "# é\n").encode("latin-1")},
        Says("is not {}; save the file as UTF-8"),
        labels("a.csv", CSV),
    ),
    "an 8-bit table, said": Reading(
        {"a.csv": CSV.replace("label", "label,é").replace(STROKE, f"{STROKE},é").encode("latin-1")},
        Says("(for CSV, the mapping may name {} or cp1252 as its encoding)"),
        lambda name: options(csv={"encoding": name})(),
    ),
    "a large file, allowed": Reading(
        {"a.csv": CSV},
        Says("split it or raise annotation_options.max_bytes"),
        lambda: options(max_bytes=100)(),
        {"max_bytes": 50},
    ),
    "a large file, split": Reading(
        {"a.csv": f"{HEAD}clip.mp4,10,70,{STROKE}\nother.mp4,10,70,{STROKE}\n"},
        Says("split it or raise annotation_options"),
        lambda: (labels("a.csv", CSV)(), labels("b.csv", CSV.replace("clip", "other"))()),
        {"max_bytes": 70},
        [CLIP, OTHER],
    ),
    "a table of other columns": Reading(
        {"a.csv": CSV.replace("begin,end", "from,to")},
        Says("Give the column names under annotation_options.csv in the manifest"),
        options(csv={"columns": {"begin": "from", "end": "to"}}),
    ),
    "XML of another kind": Reading(
        {"clip.xml": "<notes/>"}, Says("<{}> on top; what is read: {}"), labels("clip.xml", XML)
    ),
    "JSON of another kind": Reading(
        {"a.json": '{"x": 1}'},
        Says("JSON {}; what is read: {}"),
        labels("a.json", studio(11, 70)),
        {"label_studio": {"frame_rate": 60}},
    ),
    "a label without a class, translated": Reading(
        {"a.csv": f"{CSV}other.mp4,10,70,Lancer\n"},
        Says("has no class in the taxonomy {}; translate it under annotation_options.labels"),
        options(labels={"Lancer": STROKE}),
        samples=[CLIP, OTHER],
        refused=False,
    ),
    "a label without a class, another taxonomy": Reading(
        {"a.csv": CSV.replace(STROKE, "Lancer")},
        Says("or choose another taxonomy"),
        lambda: manifest(annotations=["labels"], taxonomy="detection"),
        samples=[("clip.mp4", 10, 70, "Lancer")],
    ),
    "a video found by a part of a file's name": Reading(
        {"Run1_clip.xml": XML},
        Says("taken to be of {} for its {}; if that is wrong: {}"),
        as_written("other.mp4"),
        samples=[OTHER],
        refused=False,
    ),
    "a table in UTF-16": Reading(
        {"a.csv": CSV.encode("utf-16")},
        Says("the file is UTF-16; save it as UTF-8"),
        labels("a.csv", CSV),
    ),
    "a DOCTYPE": Reading(
        {"clip.xml": f"<!DOCTYPE video>\n{XML}"},
        Says("the file has a DOCTYPE, which no annotation needs and entity bombs do; remove it"),
        labels("clip.xml", XML),
    ),
    "a file of entries without a class": Reading(
        {"a.csv": CSV.replace(STROKE, "Lancer")},
        Says("can be used; what they say ({}) has no class in the taxonomy {}; translate it"),
        options(labels={"Lancer": STROKE}),
    ),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a list of videos, in which commands are called."""
    monkeypatch.chdir(tmp_path)
    names = ("day1/x.mp4", "day2/x.mp4", "my match.mp4", "my (match).mp4", "my [final].mp4")
    write("videos.csv", VIDEOS + "".join(f"{name},120,60\n" for name in names))()
    return tmp_path


def report() -> tuple[dict[str, Any], str]:
    """What `ttprep annotations --json` prints, and all that it says."""
    done = CliRunner().invoke(main, ["annotations", "--json", "--videos", "videos.csv"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    found: dict[str, Any] = json.loads(done.stdout)
    said = [f["message"] for f in found["findings"]] + found["problems"]
    return found, "\n".join(said)


@pytest.mark.parametrize("name", CASES)
def test_a_remedy_works_as_it_is_written(here: Path, name: str) -> None:
    case = CASES[name]
    for file, text in case.files.items():
        labels(file, text)()
    options(**case.options)()
    found, text = report()
    assert (found["exit_code"] != OK) is case.refused, text
    case.follow(*case.says.of(text))
    found, text = report()
    assert found["exit_code"] == OK, text
    strokes = [s for s in found["samples"] if s["label"] != "Negative"]
    assert sorted((Path(s["video"]).name, s["begin"], s["end"], s["label"]) for s in strokes) == case.samples
