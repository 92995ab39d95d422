"""Bad input: one clear line each, the others finish, exit code 3, nothing half-written, and it heals."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.errors import NO_STORE, SOME_FAILED, USAGE
from tests.remedies.following import Says
from tests.support.command_line import FAST, as_json, debris, stage_files, ttprep, write_clip, write_manifest


def faststart(source: Path, target: Path) -> Path:
    """The same stream with its index in front, so that a truncated copy still opens."""
    with av.open(str(source)) as old, av.open(str(target), "w", options={"movflags": "faststart"}) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    return target


def audio_only(path: Path) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def no_frames(path: Path) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height = 64, 64
        stream.pix_fmt = "yuv420p"
        out.start_encoding()


def real_clip(path: Path, seed: int = 0) -> Path:
    """A shared clip where there are some, else one made here."""
    shared = os.environ.get("TTPREP_SHARED")
    if not shared:
        return write_clip(path, 40, seed=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("tt_net_1080p120_a.mp4", "lab_person_cam01_1080x1920p60.mp4")
    return Path(shutil.copyfile(Path(shared) / "videos" / names[bool(seed)], path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    videos = tmp_path / "videos"
    real_clip(videos / "good.mp4")
    write_manifest(tmp_path)
    return tmp_path


def run(folder: Path, *more: object, **options: Any) -> Any:
    return ttprep("run", "--stage", "roi", "--store", "store", *more, "videos", cwd=folder, **options)


CASES = {
    "truncated": "cannot be opened|can be opened",
    "cut short": "damaged",
    "empty": "empty",
    "not a video": "not a video",
    "audio only": "no video stream",
    "zero frames": "no video stream|no frame",
    "unreadable": "cannot be read|may not be read",
    "damaged in the middle": "damaged",
}


def spoil(videos: Path, case: str) -> Path:
    path = videos / f"{case} é.mp4"
    good = (videos / "good.mp4").read_bytes()
    if case == "truncated":
        path.write_bytes(good[: len(good) * 6 // 10])
    elif case == "cut short":
        whole = faststart(
            real_clip(videos.parent / "whole.mp4", seed=2), videos.parent / "fast.mp4"
        ).read_bytes()
        path.write_bytes(whole[: len(whole) * 6 // 10])
    elif case == "empty":
        path.touch()
    elif case == "not a video":
        path.write_text("Dear diary, ...\n" * 500)
    elif case == "audio only":
        audio_only(path)
    elif case == "zero frames":
        no_frames(path)
    elif case == "unreadable":
        shutil.copy(videos / "good.mp4", path)
        with path.open("ab") as f:
            f.write(b"\0" * 8)
        path.chmod(0)
    elif case == "damaged in the middle":
        data = bytearray(real_clip(videos.parent / "whole.mp4", seed=2).read_bytes())
        at = len(data) // 2
        data[at : at + 4096] = np.random.default_rng(0).bytes(4096)
        path.write_bytes(data)
    return path


@pytest.mark.parametrize("case", CASES)
def test_one_line_the_others_finish_and_the_next_run_heals(folder: Path, case: str) -> None:
    bad = spoil(folder / "videos", case)
    options = {}
    if case == "unreadable" and os.geteuid() == 0:  # root reads everything, unless told not to
        if shutil.which("setpriv") is None:
            pytest.skip("root reads every file, and setpriv is not here")
        options = {"under": ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")}
    done = run(folder, **options)
    assert done.returncode == SOME_FAILED, done.stdout + done.stderr
    lines = [x for x in done.stdout.splitlines() if x.startswith("failed: ") and bad.name in x]
    assert len(lines) == 1, done.stdout
    assert any(word in lines[0] for word in CASES[case].split("|")), lines[0]
    assert ";" in lines[0], "a remedy follows the reason"
    assert "[Errno" not in lines[0]
    assert {Path(p).name.split("-")[0] for p in stage_files(folder / "store")} == {
        "frames", "foreground", "flow", "roi",
    }  # fmt: skip
    assert not debris(folder / "store")

    bad.unlink()
    write_clip(bad, 12, seed=9)
    healed = run(folder, "--workers", 0, **options)
    assert healed.returncode == 0, healed.stdout
    assert len(stage_files(folder / "store")) == 8


def test_a_repeated_run_reports_the_failure_again(folder: Path) -> None:
    bad = spoil(folder / "videos", "cut short")
    first, second = run(folder), run(folder, "--workers", 0)
    assert (first.returncode, second.returncode) == (SOME_FAILED, SOME_FAILED)
    assert bad.name in second.stdout
    table = as_json(ttprep("status", "--store", "store", "--json", "videos", cwd=folder))["status"]
    assert table[f"videos/{bad.name}"]["frames"] == "failed"
    assert table["videos/good.mp4"]["roi"] == "done"


def test_a_damaged_file_can_be_kept_on_request(folder: Path) -> None:
    spoil(folder / "videos", "cut short")
    write_manifest(folder, FAST + "  frames: {damaged: keep}\n")
    assert run(folder).returncode == 0


def test_a_single_frame_goes_through_every_stage(folder: Path) -> None:
    write_clip(folder / "videos" / "one.mp4", 1)
    done = ttprep("run", "--store", "store", "videos", cwd=folder)
    assert done.returncode == 0, done.stdout


def test_same_content_under_two_names_is_processed_once(folder: Path) -> None:
    shutil.copy(folder / "videos" / "good.mp4", folder / "videos" / "zweite Größe.mp4")
    done = run(folder)
    assert done.returncode == 0
    assert "same content as videos/good.mp4" in done.stderr
    assert len(stage_files(folder / "store")) == 4


def test_a_path_that_is_not_there(folder: Path) -> None:
    done = ttprep("run", "--store", "store", "--stage", "frames", "videos/good.mp4", "nowhere", cwd=folder)
    assert done.returncode == SOME_FAILED
    assert "nowhere: no such file or folder" in done.stdout
    assert len(stage_files(folder / "store")) == 1


def test_a_store_that_is_not_a_store(folder: Path) -> None:
    (folder / "thesis").mkdir()
    (folder / "thesis" / "chapter1.txt").write_text("precious")
    done = ttprep("run", "--store", "thesis", "videos", cwd=folder)
    assert done.returncode == NO_STORE
    assert "not a ttprep store and not empty" in done.stderr
    assert [p.name for p in (folder / "thesis").iterdir()] == ["chapter1.txt"]
    for command in ("status", "verify", "gc"):
        assert ttprep(command, "--store", "nothing", cwd=folder).returncode == NO_STORE


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--stage", "flows", "videos"),
        ("run", "--workers", "-1", "videos"),
        ("run", "--workers", "0", "--report", "r.html", "videos"),
        ("run", "--workers", "1", "--scheduler", "tcp://x:1", "videos"),
        ("run",),
        ("run", "--manifest", "none.yaml", "videos"),
        ("nonsense",),
        ("preview", "videos/good.mp4"),
    ],
)
def test_usage_errors(folder: Path, words: tuple[str, ...]) -> None:
    done = ttprep(*words, cwd=folder)
    assert done.returncode == USAGE
    assert done.stderr.strip()
    assert not done.stdout


def test_no_scheduler_there(folder: Path) -> None:
    done = run(folder, "--scheduler", "tcp://127.0.0.1:9")
    assert done.returncode == 1
    assert "no Dask scheduler answers" in done.stderr


def test_without_weights_the_rest_completes(folder: Path) -> None:
    write_manifest(folder, FAST.replace("[rgb, flow]", "[rgb, flow, pose]"))
    empty = {"TTPREP_POSENET_WEIGHTS": str(folder / "no weights here")}
    done = ttprep("run", "--store", "store", "videos", cwd=folder, env=empty)
    assert done.returncode == SOME_FAILED
    assert done.stdout.count("failed: ") == 1
    assert "weights" in done.stdout
    names = {Path(p).name.split("-")[0] for p in stage_files(folder / "store")}
    assert names == {"frames", "foreground", "flow", "roi", "statistics"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 3 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("may not mount a small file system here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(folder: Path, small_disk: Path) -> None:
    noisy = folder / "videos" / "noisy.mp4"
    write_clip(noisy, 150, seed=5)
    (small_disk / "ballast").write_bytes(bytes(1_000_000))
    store = small_disk / "store"
    done = ttprep("run", "--store", store, "videos", cwd=folder)
    assert done.returncode == SOME_FAILED, done.stdout + done.stderr
    Says("the disk of {} is full; free some space and run again").of(done.stdout)
    assert not debris(store)
    assert ttprep("verify", "--store", store, "--read-data", cwd=folder).returncode == 0
    subprocess.run(["mount", "-o", "remount,size=60m", str(small_disk)], check=True)
    assert ttprep("run", "--workers", "0", "--store", store, "videos", cwd=folder).returncode == 0
    assert ttprep("run", "--workers", "0", "--store", "elsewhere", "videos", cwd=folder).returncode == 0
    assert stage_files(store) == stage_files(folder / "elsewhere")
