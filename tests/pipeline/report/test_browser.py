"""The report in a real browser: films, layers, time lines, keys, and names that are hostile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline.report.build import Built
from pipeline.report.server import Server
from stages.focus import Focus
from tests.pipeline.report.browser import browser, complaints, wait_for
from tests.pipeline.report.conftest import FRAMES, LABEL, UNEVEN, Project, level

RIGHT, LEFT, HOME, END, SPACE = "\ue014", "\ue012", "\ue011", "\ue010", " "


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with browser() as made:
        yield made


@pytest.fixture(scope="module")
def server(built: Built) -> Iterator[Server]:
    """Scripts of pages from the disk may not read pixels of a film; of pages from a server they may."""
    with Server(built.folder) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def page(driver: Any, server: Server, built: Built, project: Project) -> Callable[..., None]:
    """``page("plain.mp4")`` opens the page of a video and waits for its first picture."""

    def open_page(name: str, address: str = "") -> None:
        sha256 = project.sha256(name)
        driver.get("about:blank")
        driver.get(address or server.address(f"videos/{sha256[:16]}.html"))
        wait_for(lambda: drawn(driver) == 0 and ready(driver), "the first picture")

    return open_page


def ready(driver: Any) -> bool:
    return bool(driver.execute_script("return document.getElementById('film').readyState >= 2"))


def drawn(driver: Any) -> int:
    """The frame whose layers are on the canvas."""
    script = "const v = document.getElementById('film');"
    script += "return v.seeking ? -1 : Number(document.getElementById('picture').dataset.drawn ?? -1)"
    return int(driver.execute_script(script))


def is_drawn(driver: Any, t: int) -> bool:
    return drawn(driver) == t


def number(driver: Any) -> int:
    """The number that the picture itself shows."""
    script = """
    const c = document.getElementById("picture");
    const d = c.getContext("2d").getImageData(c.width / 8, c.height / 8, 8, 8).data;
    let sum = 0;
    for (let i = 0; i < d.length; i += 4) sum += d[i] + d[i + 1] + d[i + 2];
    return sum / (d.length / 4) / 3"""
    return round((float(driver.execute_script(script)) - level(0)) / (level(1) - level(0)))


def press(driver: Any, *keys: str) -> None:
    body = driver.find_element("tag name", "body")
    for key in keys:
        body.send_keys(key)


def click_at(driver: Any, frame: float, n: int = FRAMES) -> None:
    from selenium.webdriver import ActionChains

    tracks = driver.find_element("id", "tracks")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", tracks)
    offset = tracks.size["width"] * ((frame + 0.5) / n - 0.5)
    ActionChains(driver, duration=0).move_to_element_with_offset(tracks, round(offset), 40).click().perform()


def pixels(driver: Any) -> str:
    return str(driver.execute_script("return document.getElementById('picture').toDataURL()"))


def only_the_frame(driver: Any) -> None:
    """Switch off what lies over the frame."""
    for name in ("roi", "pose"):
        box = driver.find_element("css selector", f"[data-layer={name}]")
        if box.is_selected():
            box.click()


def test_every_page_loads_from_the_disk_without_complaints(driver: Any, built: Built) -> None:
    pages = [built.index, *(built.folder / v.page for v in built.videos)]
    assert len(pages) == 6
    for path in pages:
        driver.get(path.as_uri())
        if driver.find_elements("id", "film"):
            wait_for(lambda: ready(driver), f"the film of {path.name}")
        fetched = driver.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
        assert all(name.startswith(("file://", "data:")) for name in fetched)
        assert complaints(driver) == [], path


def test_a_page_from_the_disk_seeks_and_plays(page: Any, driver: Any, built: Built, project: Project) -> None:
    page("plain.mp4", (built.folder / f"videos/{project.sha256('plain.mp4')[:16]}.html").as_uri())
    press(driver, RIGHT, RIGHT, RIGHT)
    wait_for(lambda: drawn(driver) == 3, "frame 3")
    press(driver, SPACE)
    wait_for(lambda: drawn(driver) > 8, "the film to play")
    assert complaints(driver) == []


def test_hostile_names_and_labels_are_text(driver: Any, built: Built, project: Project) -> None:
    driver.get(built.index.as_uri())  # an alert would make every following command fail
    assert "<script>alert(1)</script>.mp4" in driver.find_element("css selector", ".matrix").text
    video = next(v for v in built.videos if "alert(1)" in v.name)
    driver.get((built.folder / video.page).as_uri())
    assert driver.find_element("tag name", "h1").text.endswith("videos/<script>alert(1)</script>.mp4")
    driver.get((built.folder / f"videos/{project.sha256('uneven.mp4')[:16]}.html").as_uri())
    assert LABEL.strip().lower() in driver.find_element("tag name", "body").text.lower()
    assert driver.execute_script("return document.querySelectorAll('img[src=x], b[onmouseover]').length") == 0
    assert complaints(driver) == []


@pytest.mark.parametrize("name", ["plain.mp4", "uneven.mp4"])
def test_keys_step_through_the_stored_frames(page: Any, driver: Any, name: str) -> None:
    page(name)
    only_the_frame(driver)
    for t in range(1, 7):
        press(driver, RIGHT)
        wait_for(partial(is_drawn, driver, t), f"frame {t}")
        assert number(driver) == t
    press(driver, LEFT)
    wait_for(lambda: drawn(driver) == 5, "one frame back")
    assert number(driver) == 5
    press(driver, END)
    wait_for(lambda: drawn(driver) == FRAMES - 1, "the last frame")
    assert number(driver) == FRAMES - 1
    shown = driver.find_element("id", "now").text
    seconds = UNEVEN[-1] / 240 if name == "uneven.mp4" else (FRAMES - 1) / 120
    assert shown == f"frame {FRAMES - 1} of {FRAMES}, {seconds:.3f} s"
    press(driver, HOME)
    wait_for(lambda: drawn(driver) == 0, "the first frame")
    assert number(driver) == 0
    press(driver, RIGHT * 14)  # faster than the film seeks
    wait_for(lambda: drawn(driver) == 14, "frame 14")
    assert number(driver) == 14
    assert complaints(driver) == []


def test_a_click_on_the_time_lines_seeks_and_they_follow(page: Any, driver: Any, built: Built) -> None:
    page("plain.mp4")
    only_the_frame(driver)
    click_at(driver, 23)
    wait_for(lambda: drawn(driver) == 23, "frame 23")
    assert number(driver) == 23
    assert driver.find_element("id", "tracks").get_attribute("aria-valuenow") == "23"
    left = driver.execute_script("return parseFloat(document.getElementById('playhead').style.left)")
    assert left == pytest.approx(100 * 23.5 / FRAMES)
    note = next(v.note for v in built.videos if v.name.endswith("plain.mp4"))
    for key, digits in (("flow", 1), ("brightness", 0), ("pose", 2)):
        text = driver.find_element("css selector", f"[data-value={key}]").text
        assert float(text.split()[0]) == pytest.approx(note["curves"][key]["high"][23], abs=0.6 * 10**-digits)


def test_annotations_and_zoom_are_found_by_keys_and_buttons(page: Any, driver: Any) -> None:
    page("plain.mp4")
    begins = driver.execute_script("return JSON.parse(document.getElementById('data').textContent).begins")
    assert {3, 4, 17} <= set(begins)
    for t in begins:
        press(driver, "n")
        wait_for(partial(is_drawn, driver, t), f"the annotation at frame {t}")
    press(driver, "n", "p")  # there is no later one
    wait_for(partial(is_drawn, driver, begins[-2]), "the one before")
    driver.find_elements("css selector", "[data-seek='17']")[0].click()
    wait_for(lambda: drawn(driver) == 17, "the annotation of the table")
    width = "return document.getElementById('tracks').clientWidth"
    before = driver.execute_script(width)
    press(driver, "+", "+", "+", END)
    assert driver.execute_script(width) == pytest.approx(8 * before, abs=8)
    spot, view = (driver.find_element("id", name).rect for name in ("playhead", "window"))
    assert view["x"] <= spot["x"] <= view["x"] + view["width"]
    driver.find_element("id", "wider").click()
    assert driver.execute_script(width) == pytest.approx(4 * before, abs=8)


def test_the_playhead_and_the_layers_follow_the_film(page: Any, driver: Any) -> None:
    """To the frame as far as the browser tells which one it shows; a busy one may be on the next already."""
    page("uneven.mp4")
    only_the_frame(driver)
    driver.execute_script("document.getElementById('film').playbackRate = 0.1")
    press(driver, SPACE)
    seen = set()
    for _ in range(5):
        wait_for(lambda: drawn(driver) not in seen, "another frame")
        both = driver.execute_script(
            "const c = document.getElementById('picture'), d = c.getContext('2d')"
            ".getImageData(c.width / 8, c.height / 8, 1, 1).data;"
            "return [Number(c.dataset.drawn), d[0], document.getElementById('tracks').ariaValueNow]"
        )
        picture = round((both[1] - level(0)) / (level(1) - level(0)))
        assert both[0] == int(both[2])
        assert abs(picture - both[0]) <= 1
        seen.add(both[0])
    press(driver, SPACE)
    assert driver.execute_script("return document.getElementById('film').paused")


def test_layers_switch(page: Any, driver: Any) -> None:
    page("plain.mp4")
    press(driver, RIGHT, RIGHT)
    wait_for(lambda: drawn(driver) == 2, "frame 2")
    boxes = {b.get_attribute("data-layer"): b for b in driver.find_elements("css selector", "[data-layer]")}
    assert {n: b.is_selected() for n, b in boxes.items()} == {
        "frame": True, "mask": False, "flow": False, "roi": True, "pose": True,
    }  # fmt: skip
    wait_for(lambda: driver.execute_script("return !!document.querySelector('head script')"), "the overlay")
    before = pixels(driver)
    looks = {before}
    for box in boxes.values():
        box.click()
        looks.add(pixels(driver))
        box.click()
        assert pixels(driver) == before
    assert len(looks) == 6, "a layer that changes nothing"
    press(driver, "2")  # keys switch too
    assert boxes["mask"].is_selected()


def test_a_portrait_is_shown_without_its_padding(page: Any, driver: Any) -> None:
    page("portrait.mp4")
    script = "const c = document.getElementById('picture'); return [c.width, c.height]"
    width, height = driver.execute_script(script)
    assert width / height == pytest.approx(36 / 48, abs=0.02)
    only_the_frame(driver)
    assert number(driver) == 0


def test_a_film_that_cannot_be_played_is_said(driver: Any, project: Project, tmp_path: Path) -> None:
    built = project.report(tmp_path / "r")
    page = built.folder / "videos" / f"{project.sha256('plain.mp4')[:16]}.html"
    page.with_suffix(".mp4").write_bytes(b"no film")
    driver.get(page.as_uri())
    wait_for(lambda: driver.find_element("id", "unplayable").is_displayed(), "the message")
    press(driver, RIGHT)
    assert driver.find_element("id", "now").text.startswith("frame 1 of")
    complaints(driver)


def test_phones_and_the_dark(driver: Any, built: Built, project: Project) -> None:
    for path in (built.index, built.folder / f"videos/{project.sha256('plain.mp4')[:16]}.html"):
        seen = []
        for scheme in ("light", "dark"):
            media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
            device = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
            driver.get(path.as_uri())
            assert driver.execute_script("return document.documentElement.scrollWidth") <= 360
            seen.append(driver.execute_script("return getComputedStyle(document.body).backgroundColor"))
        assert seen[0] != seen[1]
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_list_of_videos_is_filtered(driver: Any, built: Built) -> None:
    driver.get(built.index.as_uri())
    rows = driver.find_elements("css selector", ".matrix tbody tr")
    driver.find_element("id", "filter").send_keys("portr")
    assert [r.is_displayed() for r in rows].count(True) == 1
    driver.find_element("id", "filter").send_keys("\ue003" * 5)
    driver.find_element("id", "only").click()
    assert "broken.mp4" in " ".join(r.text for r in rows if r.is_displayed())


def test_it_can_be_used_without_a_mouse(page: Any, driver: Any) -> None:
    """Everything that is not plain text is reached by Tab, with a name."""
    page("plain.mp4")
    script = """
    const e = document.activeElement;
    const text = e.ariaLabel || e.textContent || e.labels?.[0]?.textContent || "";
    return [e.id || e.dataset.layer || e.tagName, text.trim()]"""
    reached = {}
    for _ in range(40):
        press_on_active(driver, "\ue004")
        name, text = driver.execute_script(script)
        reached[name] = text
        if name == "BODY":
            break
    assert {"back", "play", "forth", "speed", "tracks"} <= reached.keys()
    assert {"frame", "mask", "flow", "roi", "pose"} <= reached.keys()
    assert all(text for name, text in reached.items() if name != "BODY")


def press_on_active(driver: Any, key: str) -> None:
    driver.switch_to.active_element.send_keys(key)


def drag(driver: Any, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Press on the picture, move and let go; places are shares of it."""
    actions = pytest.importorskip("selenium.webdriver").ActionChains(driver, duration=20)
    stage = driver.find_element("id", "stage")
    width, height = stage.size["width"], stage.size["height"]
    (x0, y0), (x1, y1) = ((round((x - 0.5) * width), round((y - 0.5) * height)) for x, y in (begin, end))
    actions.move_to_element_with_offset(stage, x0, y0).click_and_hold()
    actions.move_by_offset((x1 - x0) // 2, (y1 - y0) // 2).move_by_offset(
        x1 - x0 - (x1 - x0) // 2, y1 - y0 - (y1 - y0) // 2
    ).release().perform()


def line(driver: Any) -> list[float]:
    text = driver.find_element("id", "focus-line").text
    return [float(v) for v in text.removeprefix("focus: [").removesuffix("]").split(", ")] if text else []


@pytest.mark.parametrize("name", ["plain.mp4", "portrait.mp4"])
def test_a_box_over_the_picture_gives_the_line_of_the_manifest(
    driver: Any, page: Callable[..., None], project: Project, name: str
) -> None:
    page(name)
    drag(driver, (0.2, 0.2), (0.4, 0.4))
    assert line(driver) == []  # not before it is asked for
    driver.find_element("css selector", "#focus > summary").click()
    drag(driver, (0.75, 0.9), (0.25, 0.1))
    found = line(driver)
    (receipt,) = (
        p.receipt for plan in project.result.overview.plans.values() for p in plan
        if p.node.stage.name == "frames" and p.node.source.path.name == name and p.receipt is not None
    )  # fmt: skip
    x, y, w, h = (float(v) for v in receipt.attrs["picture_x_y_w_h"])
    height, width = receipt.shapes["rgb"][1:3]
    if name == "portrait.mp4":
        assert w < width  # it was fitted: the page does not show the frame's padding
    wanted = [(x + 0.25 * w) / width, (y + 0.1 * h) / height, (x + 0.75 * w) / width, (y + 0.9 * h) / height]
    assert found == pytest.approx(wanted, abs=0.02)
    assert Focus.model_validate(found).box == tuple(found)
    shown = driver.find_element("id", "focus-box").rect
    stage = driver.find_element("id", "stage").rect
    assert (shown["x"] - stage["x"]) / stage["width"] == pytest.approx(0.25, abs=0.02)
    assert shown["height"] / stage["height"] == pytest.approx(0.8, abs=0.02)
    assert complaints(driver) == []


def test_a_box_is_typed_and_copied_with_the_keyboard(driver: Any, page: Callable[..., None]) -> None:
    page("plain.mp4")
    press(driver, END)
    summary = driver.find_element("css selector", "#focus > summary")
    summary.send_keys("\ue007")
    before = driver.find_element("id", "now").text
    copy = driver.find_element("id", "focus-copy")
    for edge, value in (("left", "0.5"), ("top", "0"), ("right", "1"), ("bottom", "0.25")):
        assert not copy.is_enabled()
        driver.find_element("id", f"focus-{edge}").send_keys(value)
    assert line(driver) == [0.5, 0, 1, 0.25]
    # digits and arrows in a field switch no layer and move no playhead
    driver.find_element("id", "focus-left").send_keys(LEFT, HOME)
    assert driver.find_element("id", "now").text == before
    assert driver.find_element("css selector", '[data-layer="frame"]').is_selected()
    driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite"]})
    copy.send_keys("\ue007")
    wait_for(lambda: copy.text == "Copied", "the line to be copied")
    assert (
        driver.execute_async_script(
            "navigator.clipboard.readText().then(arguments[0], (e) => arguments[0](String(e)))"
        )
        == "focus: [0.5, 0, 1, 0.25]"
    )
    driver.find_element("id", "focus-right").send_keys("\ue003" * 4, "0.2")
    wait_for(lambda: driver.find_element("id", "focus-wrong").is_displayed(), "the remark")
    assert not copy.is_enabled()
    driver.find_element("id", "focus-clear").send_keys("\ue007")
    assert line(driver) == []
    assert complaints(driver) == []
