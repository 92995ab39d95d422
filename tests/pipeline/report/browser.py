"""A real browser without a screen, driven by Selenium, that can reach nothing but this machine."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: s within which a page must come to what a test waits for, on a busy machine
PATIENCE_S = 20.0


@contextmanager
def browser() -> Iterator[Any]:
    """Yield a driver of headless Chromium; skip where there is none."""
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium with chromedriver here (Debian: apt-get install chromium chromium-driver)")
    selenium = pytest.importorskip("selenium.webdriver", reason="Selenium is not installed (extra `test`)")
    options = selenium.ChromeOptions()
    options.binary_location = program
    words = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--force-device-scale-factor=1"]
    words += ["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--disable-background-networking"]
    if os.geteuid() == 0:
        words.append("--no-sandbox")  # it refuses to run as root with one
    for word in words:
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = selenium.Chrome(options=options, service=selenium.ChromeService(driver))
    try:
        made.set_window_size(1280, 1000)
        yield made
    finally:
        made.quit()


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Return what ``condition`` returns once it is true."""
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end, f"still waiting for {what}"
        time.sleep(0.02)
    return found


def complaints(driver: Any) -> list[str]:
    """Warnings and errors of the console since the last call, but for advice on how the tests read pixels."""
    found = [entry["message"] for entry in driver.get_log("browser") if entry["level"] != "INFO"]
    return [message for message in found if "willReadFrequently" not in message]
