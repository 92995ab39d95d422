"""The crop's corner: one rule for /untrimmed, crops out of /cuboids and the picture, also at halves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.dataset.sample_picture import crop_corner
from tests.conftest import encode
from tests.support import ROOT
from tests.support.projects import export_here, manifest_in, project, run_here, write_actions


def documented_corner() -> Callable[[h5py.File, int], NDArray[np.int64]]:
    """The function that docs/dataset-format.md gives to readers of the file."""
    text = (ROOT / "docs" / "dataset-format.md").read_text()
    found = re.search(r"```python\n(def crop_corner.*?)```", text, re.DOTALL)
    assert found
    names: dict[str, Any] = {"np": np}
    exec(found[1], names)
    function: Callable[[h5py.File, int], NDArray[np.int64]] = names["crop_corner"]
    return function


@pytest.mark.parametrize("crop", [(24, 24), (23, 18)])
def test_crops_out_of_cuboids_are_those_of_untrimmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crop: tuple[int, int]
) -> None:
    rng = np.random.default_rng(7)

    def anywhere(raw: NDArray[np.float64], weights: NDArray[np.float64], ends: str) -> NDArray[np.float64]:
        """ROIs inside and outside of the image; every second coordinate is a half, others are quarters."""
        quarters = rng.integers(-40, 4 * 74, raw.shape)
        return np.where(rng.random(raw.shape) < 0.5, quarters // 4 + 0.5, quarters / 4)

    monkeypatch.setattr("stages.roi.smooth", anywhere)
    size = {"crop_width": crop[0], "crop_height": crop[1]}
    manifest = project(
        tmp_path,
        {"a": 60, "b": 45},
        {"a": [(2, 22, "Up"), (30, 58, "Down")], "b": [(5, 40, "Up")]},
        untrimmed=True,
        stages={"cuboids": {**size, "length": 16}, "untrimmed": size},
    )
    export_here(manifest, tmp_path / "d.h5")
    width, height = crop
    documented, halves = documented_corner(), 0
    with h5py.File(tmp_path / "d.h5") as file:
        whole, cuboids = file["untrimmed"], file["cuboids"]
        firsts = file["videos/first"][()]
        samples = zip(*(file[f"samples/{name}"][()] for name in ("video", "first", "rows")), strict=True)
        for video, first, rows in samples:
            for row in range(first, first + rows):
                at = firsts[video] + cuboids["frame"][row]
                roi = whole["roi"][at]
                np.testing.assert_array_equal(cuboids["roi"][row], roi)
                halves += int((roi % 1 == 0.5).sum())
                x, y = documented(file, row).tolist()
                assert crop_corner(file, row) == (x, y), "the picture shows another crop"
                np.testing.assert_array_equal(cuboids["window"][row] + (x, y), whole["window"][at])
                for kind in ("rgb", "flow"):
                    crops = cuboids[kind][row][y : y + height, x : x + width]
                    np.testing.assert_array_equal(crops, whole[kind][at])
    assert halves > 50


def test_a_still_video_is_cropped_at_its_half_pixel_centre(tmp_path: Path) -> None:
    """The ROI of a still 320×180 video is (159.5, 89.5): np.rint would take 32 instead of 33."""
    scene = np.random.default_rng(0).integers(60, 190, (180, 320, 3), np.uint8)
    (tmp_path / "videos").mkdir()
    encode(tmp_path / "videos" / "still.mp4", [scene] * 24, fps=120)
    write_actions(tmp_path / "annotations" / "still.xml", [(2, 20, "Up")])
    crop = {"crop_width": 120, "crop_height": 120}
    manifest = manifest_in(
        tmp_path,
        untrimmed=True,
        stages={
            "frames": {"width": 320, "height": 180},
            "cuboids": {**crop, "length": 16},
            "untrimmed": crop,
        },
    )
    run_here(manifest)
    export_here(manifest, tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5") as file:
        first = int(file["samples/first"][0])
        assert json.loads(file.attrs["modalities"]) == ["rgb", "flow"]
        assert file["cuboids/roi"][first].tolist() == [159.5, 89.5]
        assert file.attrs["window"].tolist() == [186, 180]
        assert file["cuboids/window"][first].tolist() == [67, 0]
        assert crop_corner(file, first) == (33, 30)
        assert documented_corner()(file, first).tolist() == [33, 30]
        assert file["untrimmed/window"][0].tolist() == [67 + 33, 0 + 30]
