"""The page of a comparison in a real browser, from the disk: pictures, skeletons and curves move in step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.cli.main import main
from tests.pipeline.comparing.conftest import FAULTY
from tests.pipeline.report.browser import browser, complaints, wait_for


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with browser() as made:
        yield made


def test_both_strokes_move_in_step(driver: Any, loops: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(loops)
    done = CliRunner().invoke(main, ["compare", FAULTY, "--workers", "0"])
    assert done.exit_code == 0, done.output
    driver.get(Path(done.stdout.splitlines()[-1]).as_uri())
    data = json.loads(driver.execute_script("return document.getElementById('data').textContent"))
    last = len(data["steps"]) - 1

    def shown() -> list[int]:
        script = "return [0, 1].map((k) => Number(document.getElementById(`clip-${k}`).dataset.frame))"
        found: list[int] = driver.execute_script(script)
        return found

    def frames(step: int) -> list[int]:
        return [data["strokes"][k]["frame"][data["steps"][step][k]] for k in (0, 1)]

    assert shown() == frames(0)
    body = driver.find_element("tag name", "body")
    body.send_keys("\ue014")
    assert shown() == frames(1)
    body.send_keys("\ue010")
    assert shown() == frames(last)
    driver.execute_script(
        "const s = document.getElementById('step'); s.value = 20; s.dispatchEvent(new Event('input'))"
    )
    assert shown() == frames(20)
    line = driver.execute_script("return Number(document.querySelector('.now').getAttribute('x1'))")
    assert line == data["steps"][20][1]
    # the pictures are there: their corner tells the number of the frame by its grey
    driver.execute_script("document.getElementById('lines').click()")
    script = """
    const c = document.getElementById(`clip-${arguments[0]}`);
    const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
    let sum = 0;
    for (let i = 0; i < d.length; i += 4) sum += d[i];
    return sum / (d.length / 4)"""
    assert wait_for(lambda: driver.execute_script(script, 0) > 10, "the picture of the stroke")
    assert wait_for(lambda: driver.execute_script(script, 1) > 10, "the picture of the reference")
    both = "document.getElementById('both')"
    drawn = driver.execute_script(
        f"return {both}.getContext('2d').getImageData(0, 0, {both}.width, {both}.height).data.some(Boolean)"
    )
    assert drawn
    driver.execute_script("document.getElementById('play').click()")
    assert wait_for(lambda: shown() != frames(20), "the next step")
    assert complaints(driver) == []
