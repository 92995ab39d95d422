"""A small project with whatever is difficult: hostile names, uneven rates, a portrait, several annotators."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.inputs.manifest import Manifest
from pipeline.planning.request import Request, Where
from pipeline.report.build import Built
from pipeline.report.request import write_report
from pipeline.run import Result, run
from store import Store
from tests.support.pose import write_checkpoint
from tests.support.projects import QUIET, TINY, manifest_in, write_actions

HOSTILE = "<script>alert(1)</script>.mp4"  # a folder and a file in it
LABEL = "</script><img src=x onerror=alert(2)>\u2028"
PERSON = "<b onmouseover=alert(3)>Ann"
FRAMES = 32
#: frames' times of the uneven video, in units of 1/240 s
UNEVEN = np.concatenate([[0], np.cumsum([1 + t % 3 for t in range(FRAMES - 1)])])


@dataclass(frozen=True)
class Project:
    """A processed project and what its request needs."""

    folder: Path
    manifest: Manifest
    request: Request
    result: Result
    dataset: Path

    @property
    def store(self) -> Store:
        """The store, opened anew."""
        return Store.open(self.request.store_root)

    def report(self, folder: Path, **options: Any) -> Built:
        """What `ttprep report` writes."""
        return write_report(self.request, QUIET, folder, **options)

    def sha256(self, name: str) -> str:
        """Digest of the video whose name ends so."""
        return next(s.sha256 for s in self.result.overview.sources if s.name.endswith(name))


def level(t: int) -> int:
    """Grey level that tells the number of a frame."""
    return 16 + 7 * t


def write_numbered(
    path: Path, size: tuple[int, int] = (64, 48), times: Any = None, seed: int = 0, n: int = FRAMES
) -> Path:
    """A square that wanders over noise; the upper left quarter has the level of its frame's number."""
    rng = np.random.default_rng(seed)
    width, height = size
    scene = rng.integers(40, 200, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        options = {"crf": "12", "preset": "ultrafast", "bf": "0"}
        stream: Any = out.add_stream("libx264", rate=240 if times is not None else 120, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, 240)
        for t in range(n):
            picture = scene.copy()
            x, y = width // 2 + t % (width // 2 - 10), height // 2 + t % (height // 2 - 10)
            picture[y : y + 10, x : x + 10] = (230, 40, 30)
            picture[: height // 2, : width // 2] = level(t)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = int(times[t]) if times is not None else 2 * t
            frame.time_base = Fraction(1, 240)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Four good videos and a broken one, run with pose (of random weights) and exported."""
    folder = tmp_path_factory.mktemp("reported")
    videos, labels = folder / "videos", folder / "annotations"
    plain = write_numbered(videos / "plain.mp4")
    write_numbered(videos / "uneven.mp4", times=UNEVEN, seed=1)
    write_numbered(videos / HOSTILE, seed=2)
    write_numbered(videos / "portrait.mp4", size=(48, 64), seed=3)
    (videos / "broken.mp4").write_bytes(plain.read_bytes()[:900])
    write_actions(labels / "plain.xml", [(3, 15, "Up"), (17, 30, "Down")])
    rows = ["video,begin,end,label,annotator"]
    rows += [f"plain.mp4,4,15,Up,{PERSON}", f"plain.mp4,17,29,Across,{PERSON}"]
    rows += ["plain.mp4,3,16,Up,Bea", "plain.mp4,17,30,Across,Bea", f'uneven.mp4,4,30,"{LABEL}",Bea']
    (labels / "crowd.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    manifest = manifest_in(
        folder,
        modalities=["rgb", "flow", "pose"],
        dataset="dataset.h5",
        splits={"train": 1.0, "validation": 0.0, "test": 0.0},
        stages={"pose": {"model": "0.50"}, "roi": {"crop_width": 24, "crop_height": 24}, **TINY["stages"]},
    )
    weights = write_checkpoint(folder / "weights", "0.50")
    request = Request(
        manifest, manifest.resolve(manifest.store), where=Where(workers=0), pose_weights=weights
    )
    result = run(request, QUIET)
    failed = [j.reason for j in result.jobs if j.state == "failed"]
    assert len(failed) == 1, failed
    assert "broken.mp4" in failed[0]
    return Project(folder, manifest, request, result, folder / "dataset.h5")


@pytest.fixture(scope="session")
def built(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The project's report; tests that change one write their own."""
    return project.report(tmp_path_factory.mktemp("report") / "report")
