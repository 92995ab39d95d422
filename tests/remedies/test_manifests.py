"""What is said about a manifest, followed as it is written: it is read then."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.cli.main import main
from tests.remedies.following import Case, Says, both, call, check, write

#: a cheap call that reads a manifest
READ = ("annotations", "a.csv", "--videos", "list.csv")


def said(text: str) -> Callable[..., object]:
    """Return a step that writes a manifest."""
    return write("data_manifest.yaml", text)


def read(before: str, says: Says, after: Any) -> Case:
    """Return a manifest with a fault; ``after`` is one without, or makes it of what stands in the holes."""

    def follow(*holes: str) -> None:
        said(after(*holes) if callable(after) else after)()

    return Case(READ, says, follow=follow, prepare=said(before))


def options(text: str) -> str:
    return f"annotation_options: {{csv: {{{text}}}}}\n"


def studio(rate: str) -> str:
    return f"annotation_options: {{label_studio: {{frame_rate: {rate}}}}}\n"


INSTANT = "columns: {instant: begin"
MANIFESTS = {
    "a taxonomy that is not known": read(
        "taxonomy: stroke\n",
        Says("{} is unknown; known: {}"),
        lambda _, names: f"taxonomy: {next(n for n in names.split(', ') if n == 'strokes')}\n",
    ),
    "a key given twice": read(
        "videos: [a]\nvideos: [a]\n", Says("is given twice; merge them under one"), "videos: [a]\n"
    ),
    "a setting by its path": read(
        "stages.frames.rate: constant\n",
        Says("nest it: {}: {{}: …}"),
        lambda stage, rest: yaml.safe_dump({stage: {rest.split(".")[0]: {rest.split(".")[1]: "constant"}}}),
    ),
    "an alias": read(
        "videos: &v [a]\nannotations: *v\n",
        Says("anchors and aliases are not used here; write it out"),
        "videos: [a]\nannotations: [a]\n",
    ),
    "shards of no size": read(
        "shards: many\n",
        Says("is null, auto or the size of a shard in MB; set one of these"),
        "shards: auto\n",
    ),
    "a tag": read("store: !x s\n", Says("the tag {} is not used here; remove it"), "store: s\n"),
    "a manifest of no text": Case(
        READ,
        Says("not UTF-8 text (byte {}); save it as UTF-8"),
        follow=lambda _: said("store: é\n")(),
        prepare=write("data_manifest.yaml", "store: é\n".encode("latin-1")),
    ),
    "a manifest that is not there": Case(
        (*READ, "--manifest", "m.yaml"),
        Says("cannot be read ({}); check the path"),
        (*READ, "--manifest", "data_manifest.yaml"),
        prepare=said("store: s\n"),
    ),
    "no YAML": read("store: [s\n", Says("not valid YAML: {}; mend the line"), "store: s\n"),
    "a list": Case(
        READ,
        Says("a manifest is a mapping of names to values; see `ttprep {}`"),
        follow=lambda word: both(Path("data_manifest.yaml").unlink, partial(call, main, word))(),
        prepare=said("[a]\n"),
    ),
    "a stage that is none": read(
        "stages: {flwo: {}}\n",
        Says("did you mean {}?"),
        lambda name: f"stages: {{{name}: {{}}}}\n",
    ),
    "a key that is none": read("stroe: s\n", Says("did you mean {}?"), lambda name: f"{name}: s\n"),
    "a key like no other": read(
        "videos: [{path: a, q: 1}]\n",
        Says("known: {}"),
        lambda names: f"videos: [{{path: a, {names.split(', ')[1]}: 1}}]\n",
    ),
    "a key of a stage without any": read(
        "stages: {descriptor: {q: 1}}\n", Says("remove it"), "stages: {descriptor: {}}\n"
    ),
    "annotations that are a mapping": read(
        "annotations: {csv: {unit: frames}}\n",
        Says("is a list of files and folders; how they are read stands in annotation_options"),
        "annotation_options: {csv: {unit: frames}}\n",
    ),
    "clips with joints": read(
        "sources: [{kind: clips, path: a, joints: j}]\n",
        Says("only folders of pictures have joints; remove joints"),
        "sources: [{kind: clips, path: a}]\n",
    ),
    "clips with joints that are pictures": read(
        "sources: [{kind: clips, path: a, fps: 9, joints: j}]\n",
        Says("remove joints, or use {}: {}"),
        lambda key, kind: f"sources: [{{{key}: {kind.split(',')[0]}, path: a, fps: 9, joints: j}}]\n",
    ),
    "columns without a table": read(
        "sources: [{kind: clips, path: a, columns: {label: x}}]\n",
        Says("columns are those of a CSV; give labels: FILE.csv"),
        "sources: [{kind: clips, path: a, labels: l.csv, columns: {label: x}}]\n",
    ),
    "a walltime of another form": read(
        "cluster: {walltime: 4h}\n",
        Says("write a time of a minute or more as HH:MM:SS or D-HH:MM:SS"),
        "cluster: {walltime: 04:00:00}\n",
    ),
    "a memory of another form": read(
        "cluster: {memory: much}\n", Says("write 100MB or more, as 8GB or 8GiB"), "cluster: {memory: 8GB}\n"
    ),
    "two lines in one": read(
        'cluster: {setup: ["module load a\\nmodule load b"]}\n',
        Says("write each line as an entry of its own"),
        "cluster: {setup: [module load a, module load b]}\n",
    ),
    "more jobs at least than at most": read(
        "cluster: {minimum: 5, maximum: 2}\n",
        Says("minimum {} is more than maximum {}; set one of them anew"),
        lambda least, most: f"cluster: {{minimum: {most}, maximum: {least}}}\n",
    ),
    "columns of nothing": read(
        "sources: [{kind: clips, path: a, columns: {label: x}}]\n",
        Says("give labels: FILE.csv, or remove columns"),
        "sources: [{kind: clips, path: a}]\n",
    ),
    "parts that are no whole": read(
        "splits: {train: 0.9, validation: 0.2, test: 0.1}\n",
        Says("train + validation + test are {}, not 1; change one of them"),
        "splits: {train: 0.7, validation: 0.2, test: 0.1}\n",
    ),
    "an instant and an interval": read(
        options(f"{INSTANT}, begin: b}}"),
        Says("instant takes the place of begin and end; name one kind of columns"),
        options(f"{INSTANT}}}"),
    ),
    "a part of no instant": read(
        options("before: 1"),
        Says("before and after lie about an instant; name its column: columns: {{}: NAME}"),
        lambda key: options(f"before: 1, columns: {{{key}: begin}}"),
    ),
    "an instant with an end": read(
        options(f"{INSTANT}}}, end_inclusive: true"),
        Says("an instant has no end; leave end_inclusive out"),
        options(f"{INSTANT}}}"),
    ),
    "an instant of nothing": read(
        options(f"{INSTANT}}}, before: 0, after: 0"),
        Says("before and after are both 0, which leaves nothing of a stroke; give one"),
        options(f"{INSTANT}}}, before: 0.5, after: 0"),
    ),
    "seconds from frame 1": read(
        options("unit: seconds, first_frame: 1"),
        Says("first_frame and end_inclusive are for unit: frames; leave them out for seconds"),
        options("unit: seconds"),
    ),
    "no rate of Label Studio": read(
        studio('""'), Says("give a number, {}, or the name of a field"), lambda word: studio(word)
    ),
    "strokes without a class": read(
        "taxonomies: [{name: n, classes: {A: [a]}, unlabelled: B}]\n",
        Says("none of its classes; name one of {}"),
        lambda names: f"taxonomies: [{{name: n, classes: {{A: [a]}}, unlabelled: {names.split(', ')[0]}}}]\n",
    ),
    "options of no format": read(
        "annotation_options: {formats: {csb: {unit: frames}}}\n",
        Says("install its package or correct the name"),
        "annotation_options: {csv: {unit: frames}}\n",
    ),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_remedy_for_a_manifest_works_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write("a.csv", "video,begin,end,label\nclip.mp4,10,70,Serve Forehand Loop\n")()
    write("list.csv", "video,frames,fps\nclip.mp4,6000,60\n")()
    check(main, MANIFESTS[name])
