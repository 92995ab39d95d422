"""Folders of clips, with labels by folder or by a table."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import hdf5plugin  # noqa: F401  (registers the codecs)
import pytest

from pipeline.errors import SOME_FAILED, USAGE, UserError
from pipeline.inputs.labels import read_labels
from pipeline.inputs.manifest import read_manifest
from stages.registry import registry
from tests.pipeline.inputs.trials import MANIFEST, exported, pictures, run, write_trial
from tests.support import ROOT
from tests.support.command_line import stage_files, ttprep, write_clip

CLIPS = """\
version: 1
store: store
sources: [{{kind: clips, path: clips, labels: {labels}}}]
classes: [Serve, Smash]
modalities: [rgb]
stages:
  flow: {{method: dis}}
  cuboids: {{length: 30}}
"""


def test_clips_are_one_sample_each_with_the_label_of_their_folder(tmp_path: Path) -> None:
    for i, label in enumerate(("serve", "serve", "smash")):
        write_clip(tmp_path / "clips" / label / f"{i}.mp4", 20 + i, 25, seed=i)
    write_clip(tmp_path / "clips" / "stray.mp4", 20, 25, seed=7)
    shutil.copy(tmp_path / "clips" / "smash" / "2.mp4", tmp_path / "clips" / "smash" / "copy.mp4")
    (tmp_path / "data_manifest.yaml").write_text(CLIPS.format(labels="folder"))
    done = run(tmp_path)
    assert "1 of 5 have no label" in done.stderr
    assert "same content" in done.stderr
    samples = exported(tmp_path)
    assert labelled(samples) == [
        ("serve/0.mp4", 20, "Serve"),
        ("serve/1.mp4", 21, "Serve"),
        ("smash/2.mp4", 22, "Smash"),
    ]
    assert samples["begin"] == [0, 0, 0]
    assert samples["rows"] == [30] * 3  # shorter than T: the last frame repeats


def labelled(samples: dict[str, list[Any]]) -> list[tuple[str, int, str]]:
    columns = zip(samples["name"], samples["end"], samples["label_name"], strict=True)
    return [(name.removeprefix("clips/"), end, label) for name, end, label in columns]


def test_clips_labelled_by_a_table(tmp_path: Path) -> None:
    for i in range(4):
        write_clip(tmp_path / "clips" / "deep" / f"{i}.mp4", 20 + i, 25, seed=i)
    (tmp_path / "table.csv").write_text(
        "label;player;file\nserve;anna;0.mp4\nsmash;;deep/1\nlob;;2\nserve;;9.mp4\n"
    )
    (tmp_path / "data_manifest.yaml").write_text(CLIPS.format(labels="table.csv, player: ben"))
    done = run(tmp_path)
    assert "table.csv:5: there is no '9.mp4'" in done.stderr
    assert "1 of 4 have no label and are no samples: deep/3.mp4" in done.stderr
    assert "1 labelled 'lob', which has no class" in done.stderr
    samples = exported(tmp_path)
    assert labelled(samples) == [("deep/0.mp4", 20, "Serve"), ("deep/1.mp4", 21, "Smash")]
    assert samples["player"] == ["anna", "ben"]


def test_the_same_content_with_two_labels_is_no_sample(tmp_path: Path) -> None:
    write_clip(tmp_path / "clips" / "serve" / "a.mp4", 20, 25)
    write_clip(tmp_path / "clips" / "smash" / "c.mp4", 20, 25, seed=1)
    shutil.copy(tmp_path / "clips" / "serve" / "a.mp4", tmp_path / "clips" / "smash" / "b.mp4")
    (tmp_path / "data_manifest.yaml").write_text(CLIPS.format(labels="folder"))
    done = run(tmp_path)
    assert (
        "the same content is labelled 'serve' (clips/serve/a.mp4) and 'smash' (clips/smash/b.mp4)"
        in done.stderr
    )
    assert labelled(exported(tmp_path)) == [("smash/c.mp4", 20, "Smash")]


def test_clips_and_long_videos_go_into_one_dataset(tmp_path: Path) -> None:
    write_clip(tmp_path / "clips" / "serve" / "a.mp4", 30, 30)
    write_clip(tmp_path / "long" / "match.mp4", 90, 30, seed=3)
    (tmp_path / "long" / "match.csv").write_text("begin,end,label\n20,60,smash\n")
    text = CLIPS.format(labels="folder") + "videos: [long]\nannotations: [long]\n"
    (tmp_path / "data_manifest.yaml").write_text(text)
    run(tmp_path)
    samples = exported(tmp_path)
    columns = zip(samples["begin"], samples["end"], samples["label_name"], strict=True)
    assert list(columns) == [(0, 30, "Serve"), (20, 60, "Smash")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,label\na,x\na,y\n", [":3:", "'y' here and 'x' on line 2"]),
        ("file,class\na,x\n", [":1:", "file and label"]),
        ("", [":1:", "file and label"]),
        ("file,label\na\n", [":2:", "1 cells under 2 columns"]),
        ("file,label\n../../etc/passwd,x\n", [":2:", "climbs out"]),
        ("file,label\n/a,x\n", [":2:", "absolute"]),
        ("file,label\n,x\n", [":2:", "empty"]),
        ("file,label\nd,x\n", [":2:", "may be"]),
        ('file,label\n"a,x\n', [":2:", "cannot be read"]),
        ("file,label\na\0,x\n", [":2:", "NUL"]),
    ],
)
def test_a_table_of_labels_names_its_bad_line(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_labels(path, ["a", "b/c.mp4", "x/d", "y/d"])
    assert caught.value.code == USAGE
    assert len(str(caught.value).splitlines()) == 1
    for word in [str(path), *words]:
        assert word in str(caught.value)


def test_a_table_names_members_by_any_part_of_their_path(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("trial\tlabel\na\tone\nc\ttwo\nx/d\tthree\na\tone\n")
    labels, notes = read_labels(path, ["a", "b/c.mp4", "x/d", "y/d"])
    assert {k: v.label for k, v in labels.items()} == {"a": "one", "b/c.mp4": "two", "x/d": "three"}
    assert not notes


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("sources:\n  - {kind: frames, path: a}\n", 2, ["give fps"]),
        ("sources:\n  - {kind: films, path: a}\n", 2, ["'frames' or 'clips'", "'films'"]),
        ("sources:\n  - kind: frames\n    path: a\n    fsp: 30\n", 4, ["fsp", "did you mean 'fps'"]),
        ("sources:\n  - kind: frames\n    path: a\n    fps: 0\n", 4, ["sources.0.fps", "greater than 0"]),
        ("sources:\n  - kind: clips\n    path: a\n    joints: j.csv\n", 2, ["remove joints"]),
        ("sources:\n  - kind: clips\n", 2, ["sources.0.path"]),
        ("sources:\n  - {kind: clips, path: a, sample: first}\n", 2, ["'whole' or 'start'"]),
    ],
)
def test_errors_of_sources_name_file_line_and_remedy(
    tmp_path: Path, text: str, line: int, words: list[str]
) -> None:
    path = tmp_path / "data_manifest.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_manifest(path)
    assert caught.value.code == USAGE
    assert f"data_manifest.yaml:{line}:" in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_sources_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "data_manifest.yaml").write_text(CLIPS.format(labels="folder"))
    done = ttprep("run", "--workers", "0", cwd=tmp_path)
    assert done.returncode == SOME_FAILED
    assert "clips: no video file found there" in done.stdout
    shutil.rmtree(tmp_path / "clips")
    done = ttprep("run", "--workers", "0", cwd=tmp_path)
    assert "clips: no such folder; check the sources in the manifest" in done.stdout
    write_clip(tmp_path / "clips" / "a.mp4", 20)
    (tmp_path / "data_manifest.yaml").write_text(CLIPS.format(labels="none.csv"))
    done = ttprep("run", "--workers", "0", cwd=tmp_path)
    assert done.returncode == USAGE
    assert "none.csv: cannot be read" in done.stderr


def test_pictures_beside_trials_are_said_to_be_unused(tmp_path: Path) -> None:
    write_trial(tmp_path / "trials" / "t1", pictures(3))
    cv2.imwrite(str(tmp_path / "trials" / "overview.png"), pictures(1)[0])
    (tmp_path / "data_manifest.yaml").write_text(MANIFEST.format(more=""))
    done = run(tmp_path, "--stage", "frames")
    assert "trials: its pictures are not used" in done.stderr
    assert len(stage_files(tmp_path / "store")) == 1


def test_the_manifests_of_the_documentation_are_valid(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "sequences.md").read_text()
    blocks = [part.split("```")[0] for part in text.split("```yaml\n")[1:]]
    assert len(blocks) == 3
    for block in blocks:
        path = tmp_path / "data_manifest.yaml"
        path.write_text(block if "version:" in block else f"version: 1\n{block}")
        manifest = read_manifest(path)
        assert manifest.sources
        for stage in ("frames", "roi", "cuboids"):
            manifest.params(registry()[stage])
