"""^C ends both commands in one line and code 130, whatever they are at: an import, a library, a thread."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from pipeline.cli.main import main
from pipeline.errors import CANCELLED
from tests.support.command_line import write_clip, write_manifest

PACKAGES = ("pipeline", "tttrain")
#: what a console script does, told when it is about to
SCRIPT = """\
import sys
from {}.cli.__main__ import main
sys.argv = ["command", "--help"]
print("here", flush=True)
main()
"""


def started(code: str, group: bool = False) -> subprocess.Popen[str]:
    """A Python that hears ^C as in a terminal; tests in the background inherit an ignored one."""
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=group,
        )
    finally:
        signal.signal(signal.SIGINT, heard)


@pytest.mark.parametrize("package", PACKAGES)
def test_at_any_moment_of_the_start_and_the_end(package: str) -> None:
    codes = []
    for moment in (0.0, 0.02, 0.1, 0.2, 0.35, 0.6):
        with started(SCRIPT.format(package)) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "here\n"
            time.sleep(moment)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        assert (process.returncode, err.partition(";")[0].strip()) in [(0, ""), (CANCELLED, "cancelled")]
        codes.append(process.returncode)
    assert CANCELLED in codes


@pytest.mark.parametrize("package", PACKAGES)
def test_a_thread_that_nobody_waits_for_does_not_hold_up_the_end(package: str, tmp_path: Path) -> None:
    code = f"""\
import sys, threading, time
import h5py
from h5py._hl.base import phil
from {package}.cli.main import main as group
from {package}.cli.__main__ import main

file = h5py.File({str(tmp_path / "a.h5")!r}, "w")  # taken down at Python's exit, under the lock

def hold():
    with phil:
        held.set()
        time.sleep(600)

held = threading.Event()

@group.command()
def wait():
    threading.Thread(target=hold, daemon=True).start()
    held.wait()
    raise KeyboardInterrupt

sys.argv = ["command", "wait"]
main()
"""
    with started(code) as process:
        try:
            _, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == CANCELLED
    assert err.strip().startswith("cancelled; ")


def test_what_a_library_makes_of_it_is_no_failure_of_the_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(*_: Any) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("unexpected pos")

    write_manifest(tmp_path)
    write_clip(tmp_path / "a.mp4", n=4, size=(64, 48))
    monkeypatch.chdir(tmp_path)
    words = ["run", "a.mp4", "--workers", "0", "--stage", "frames"]
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.execution.jobs.make", cut_short)
        done = CliRunner().invoke(main, words)
    assert done.exit_code == CANCELLED, done.output
    assert "unexpected pos" not in done.output
    shown = CliRunner().invoke(main, ["status", "a.mp4"])
    assert "failed" not in shown.output
    assert CliRunner().invoke(main, words).exit_code == 0


@pytest.mark.parametrize("moment", [0.0, 0.1, 1.5])
def test_processes_that_render_end_without_a_word(moment: float) -> None:
    code = """\
import time
from ttdemo.processes import render_all
try:
    print("here", flush=True)
    list(render_all(time.sleep, [60, 60], 2))
except KeyboardInterrupt:
    print("interrupted")
"""
    with started(code, group=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        parent = psutil.Process(process.pid)
        while len(parent.children()) < 3:  # the tracker of what they share, and two that render
            time.sleep(0.01)
        time.sleep(moment)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        out, err = process.communicate(timeout=60)
    assert (out, err) == ("interrupted\n", "")
