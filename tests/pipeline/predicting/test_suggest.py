"""Which stretches to label: from a run, new videos and what is labelled to task files."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="tttrain needs the extra `train`")

from click.testing import CliRunner, Result  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from pipeline.annotations import VideoFacts, read_file  # noqa: E402
from pipeline.cli.main import main  # noqa: E402
from tests.support.projects import SIZE, write_actions, write_video  # noqa: E402
from tttrain.evaluation.along_time.last_features import LastFeatures  # noqa: E402

#: frames of a new video that look like nothing in the training set
ODD = (80, 100)
N = 160


def write_odd(path: Path) -> Path:
    """A video like those of the training set, but for a part with stripes and another, larger thing."""
    write_video(path, N, seed=7)
    with av.open(str(path)) as source:
        frames = [f.to_ndarray(format="rgb24") for f in source.decode(video=0)]
    for t in range(*ODD):
        frames[t][:, ::4] = 255
        x = (7 * t) % (SIZE[0] - 30)
        frames[t][4:34, x : x + 30] = (10, 250, 10)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=120, options={"crf": "18", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def place(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run, the store, a new video, and a manifest that has labels of it."""
    folder = tmp_path_factory.mktemp("suggest")
    shutil.copytree(trained / "run", folder / "run")
    shutil.copytree(trained / "store", folder / "store")
    write_odd(folder / "new" / "c.mp4")
    write_actions(folder / "new" / "c.xml", [(10, 40, "Up")])
    # labels of another video of the same name
    write_video(folder / "videos" / "c.mp4", 90, seed=3)
    write_actions(folder / "videos" / "c.xml", [(45, 150, "Up")])
    text = (trained / "data_manifest.yaml").read_text()
    (folder / "m.yaml").write_text(
        text.replace("annotations:\n- annotations", "annotations:\n- new/c.xml\n- videos")
    )
    return folder


@pytest.fixture
def suggest(place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(place)

    def run(*words: object, code: int = 0) -> Result:
        plain = [
            "suggest",
            "run",
            *map(str, words),
            "--workers",
            "0",
            "--manifest",
            "m.yaml",
            "--store",
            "store",
        ]
        done = CliRunner().invoke(main, plain)
        assert done.exit_code == code, done.output
        return done

    return run


def test_what_looks_new_comes_first_and_what_is_labelled_never(
    suggest: Callable[..., Result], place: Path
) -> None:
    found = json.loads(suggest("new", "--json", "-n", "50", "--doubt", "0", "--seconds", "0.125").stdout)
    spans = [(s["begin"], s["end"]) for s in found["suggestions"]]
    assert len(spans) >= 5
    assert [s["rank"] for s in found["suggestions"]] == list(range(1, len(spans) + 1))
    assert spans[0][0] < ODD[1], spans
    assert ODD[0] < spans[0][1], spans
    assert all(end <= 10 or begin >= 40 for begin, end in spans)
    assert any(begin < 150 and end > 45 for begin, end in spans)
    assert all(b[1] <= a[0] or a[1] <= b[0] for k, a in enumerate(spans) for b in spans[:k])
    assert all(s["why"] == "new" for s in found["suggestions"])


def test_tasks_are_files_of_their_tools_and_no_annotations(
    suggest: Callable[..., Result], place: Path
) -> None:
    done = suggest("new", "-n", "3")
    out = place / "run" / "suggest"
    names = {p.name for p in out.glob("[!.]*")}
    assert names == {
        "suggestions.csv", "suggestions.label-studio.json", "suggestions.label-studio-config.txt",
        "c.cvat.xml", "suggestions.cvat-labels.txt", "c.eaf",
    }  # fmt: skip
    rows = list(csv.DictReader((out / "suggestions.csv").open()))
    assert [r["label"] for r in rows] == ["Suggested"] * 3
    assert {r["note"].partition(":")[0] for r in rows} == {"1", "2", "3"}
    assert all("less like what is labelled" in r["note"] and "more doubt (" in r["note"] for r in rows)
    assert "1: less like what is labelled" in done.stdout
    facts = {"new/c.mp4": VideoFacts(N, Fraction(120))}
    for path in out.glob("[!.]*"):
        if path.suffix != ".txt":
            content = read_file(path.read_bytes(), path.name, videos=facts)
            assert content.annotations == ()
            assert {i.kind for i in content.issues} == {"prediction"}
            assert any("3 marks 'Suggested' of ttprep suggest" in i.message for i in content.issues)
    # a mark that is still there after a person has been at work is no stroke either
    task = json.loads((out / "suggestions.label-studio.json").read_text())
    for one in task:
        one["annotations"] = [{"completed_by": 1, "result": one["predictions"][0]["result"]}]
    content = read_file(json.dumps(task).encode(), "export.json", videos=facts)
    assert "Suggested" not in {a.label for a in content.annotations}
    assert any("3 marks" in i.message for i in content.issues)


def test_predictions_that_are_there_are_taken(suggest: Callable[..., Result], place: Path) -> None:
    suggest("new", "-n", "2")
    before = {p: p.stat().st_mtime_ns for p in (place / "run" / "predict").rglob("*") if p.is_file()}
    again = suggest("new", "-n", "2")
    assert before == {p: p.stat().st_mtime_ns for p in (place / "run" / "predict").rglob("*") if p.is_file()}
    assert "is labelled" in again.stdout


def test_without_the_training_set_it_says_so(
    suggest: Callable[..., Result],
    place: Path,
    tmp_path: Path,
    trained: Path,
) -> None:
    (trained / "d.h5").rename(trained / "gone.h5")
    try:
        done = suggest("new", "-n", "2", "-o", tmp_path / "out")
    finally:
        (trained / "gone.h5").rename(trained / "d.h5")
    assert "what looks new is told from the labels of these videos alone" in done.stderr


def test_features_are_the_inputs_of_the_last_layers() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(4, 6)
            self.fuse = nn.Bilinear(6, 6, 3)
            self.more = nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            a = self.body(x)
            b = a * 2
            out: Tensor = self.fuse(a, b) + self.more(a)
            return out

    net, x = Net(), torch.randn(5, 4)
    with LastFeatures(net, 3) as kept:
        net(x[:3])
        net(x[3:])
    a = net.body(x).detach().numpy()
    # both inputs of the bilinear layer, and the one that the linear layer shares with it once
    np.testing.assert_allclose(kept.take(), np.hstack([a, 2 * a]), rtol=1e-5)
