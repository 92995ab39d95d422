"""The skeleton in space: lifted in a run by a depth network, and its part of the page in a browser."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.cli.output.planned import plan_json
from pipeline.errors import SOME_FAILED
from pipeline.planning.request import Request, Where
from pipeline.report.build import Built
from pipeline.report.request import write_report
from pipeline.run import run
from stages.base import Array
from stages.pose3d import runtime
from store import Slot, Store
from tests.pipeline.report.browser import browser, complaints, wait_for
from tests.pipeline.report.conftest import write_numbered
from tests.remedies.following import Says
from tests.stages.pose3d.blazepose import write_depth_network
from tests.support.pose import write_checkpoint
from tests.support.projects import QUIET, TINY, manifest_in

N = 12


@dataclass(frozen=True)
class Lifted:
    """A processed video, its report and what the stage gave."""

    request: Request
    built: Built
    joints: Array


def request_in(folder: Path, weights: Path, **changes: Any) -> Request:
    manifest = manifest_in(
        folder,
        modalities=["rgb", "flow", "pose"],
        pose3d=True,
        stages={
            "pose": {"model": "0.50"},
            "roi": {"crop_width": 24, "crop_height": 24},
            **TINY["stages"],
            **changes,
        },
    )
    return Request(manifest, manifest.resolve(manifest.store), where=Where(workers=0), pose_weights=weights)


@pytest.fixture(scope="module")
def lifted(tmp_path_factory: pytest.TempPathFactory) -> Lifted:
    """A video whose red channel is its depth; the network's file is named from the manifest's folder."""
    folder = tmp_path_factory.mktemp("space")
    write_numbered(folder / "videos" / "plain.mp4", n=N)
    write_depth_network(folder / "red.onnx", height=48, width=64)
    weights = write_checkpoint(folder / "weights", "0.50")
    stage = {"method": "depth", "depth_network": "red.onnx", "depth_input": "unit", "least_score": 0.0}
    request = request_in(folder, weights, pose3d=stage)
    result = run(request, QUIET)
    assert [j.reason for j in result.jobs if j.state == "failed"] == []
    store = Store.open(request.store_root)
    source = result.overview.sources[0].sha256
    (receipt,) = [r for r in store.receipts(source) if r.stage == "pose3d"]
    assert "depth_network" not in json.dumps(receipt.parts)
    assert receipt.attrs["metres_a_pixel"] > 0
    with store.reader(Slot(source, "pose3d", receipt.key)) as reader:
        joints = reader.read("joints")
    assert not run(request, QUIET).jobs  # nothing is left to do
    return Lifted(request, write_report(request, QUIET, folder / "report"), joints)


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with browser() as made:
        yield made


def test_the_scripts_hold_what_the_stage_gave(lifted: Lifted) -> None:
    video = lifted.built.videos[0]
    text = (lifted.built.folder / "videos" / f"{video.id}-space-0.js").read_text(encoding="utf-8")
    value = json.loads(re.search(r"ttprepSpace\(0, (.*)\);", text)[1])  # type: ignore[index]
    mm = np.frombuffer(base64.b64decode(value["joints"]), "<i2").reshape(N, 13, 3)
    np.testing.assert_allclose(mm / 1000, np.clip(lifted.joints, -32.768, 32.767), atol=6e-4)
    assert lifted.joints.any()


def test_the_page_shows_three_sides_and_turns_by_hand(driver: Any, lifted: Lifted) -> None:
    from selenium.webdriver import ActionChains

    driver.get((lifted.built.folder / lifted.built.videos[0].page).as_uri())
    shown = "return document.getElementById('space').dataset.drawn"
    wait_for(lambda: driver.execute_script(shown) == "0", "the skeleton")

    def picture(view: str) -> str:
        script = "return document.querySelector(`#space canvas[data-view=${arguments[0]}]`).toDataURL()"
        return str(driver.execute_script(script, view))

    before = {view: picture(view) for view in ("front", "side", "back", "free")}
    assert len(set(before.values())) == 4
    free = driver.find_element("css selector", "#space canvas[data-view=free]")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", free)
    ActionChains(driver, duration=50).drag_and_drop_by_offset(free, 60, 20).perform()
    dragged = picture("free")
    assert dragged != before["free"]
    about = int(free.get_attribute("aria-valuenow"))
    assert about != 35
    free.send_keys("\ue012")  # an arrow key turns it, and leaves the film where it is
    assert int(free.get_attribute("aria-valuenow")) == about + 5
    assert driver.execute_script(shown) == "0"
    driver.find_element("id", "space-reset").click()
    assert picture("free") == before["free"]
    assert {view: picture(view) for view in ("front", "side", "back")} == {
        view: before[view] for view in ("front", "side", "back")
    }
    driver.find_element("id", "forth").click()
    wait_for(lambda: driver.execute_script(shown) == "1", "the next frame's skeleton")
    assert picture("front") != before["front"]
    assert complaints(driver) == []


def test_a_report_without_it_has_no_such_part(lifted: Lifted, tmp_path: Path) -> None:
    manifest = lifted.request.manifest.model_copy(update={"pose3d": False})
    request = Request(manifest, lifted.request.store_root, pose_weights=lifted.request.pose_weights)
    built = write_report(request, QUIET, tmp_path / "report", film_frames=0)
    page = (built.folder / built.videos[0].page).read_text(encoding="utf-8")
    assert 'id="space"' not in page
    assert "space.js" not in page


def test_without_the_extra_all_else_is_made_and_one_line_says_what_to_install(
    lifted: Lifted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_numbered(tmp_path / "videos" / "plain.mp4", n=N)
    monkeypatch.setattr(runtime, "MODULE", "no_runtime_of_this_name")
    assert lifted.request.pose_weights is not None
    request = request_in(tmp_path, lifted.request.pose_weights)
    result = run(request, QUIET)
    bad = [j for j in result.jobs if j.state != "done"]
    assert [j.stage for j in bad] == ["pose3d"]
    Says('pose3d needs LiteRT, which is not installed; install it: `pip install "ttprep[pose3d]"`').of(
        bad[0].reason
    )
    assert result.code == SOME_FAILED
    assert plan_json(result.overview, [], 1)["pose_weights"] == "available"
    assert {j.stage for j in result.jobs if j.state == "done"} >= {"frames", "descriptor", "quality"}
