"""Decoding: sound files raise no alarm, damaged ones never pass for sound, errors are one line.

Every damage is real: bytes cut off or overwritten in files that an encoder wrote.
"""

from __future__ import annotations

import csv
import os
import re
import struct
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from fractions import Fraction
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.base import Block, SourceFile, StageError, VideoInfo
from stages.frames import STAGE, FramesParams
from stages.frames.decode import decode
from stages.frames.report import MOST_FAULTS, Report
from stages.frames.times import MOST_FPS, Rate, rate_of
from tests.conftest import encode, remux, scene

Factory = Callable[..., Path]

_ROOT = os.environ.get("TTPREP_SHARED")
CLIPS = sorted(p.name for p in Path(_ROOT, "videos").iterdir()) if _ROOT else []
each_clip = pytest.mark.parametrize(
    "clip", CLIPS or [pytest.param("", marks=pytest.mark.skip("no shared clips"))]
)

#: what cameras, phones, editors and browsers write
FORMATS: dict[str, dict[str, Any]] = {
    "h264.mp4": {"sound": True},
    "h264-faststart.mp4": {"container_options": {"movflags": "faststart"}, "sound": True},
    "h264-fragmented.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "h264.mkv": {},
    "h264.ts": {},
    "h264-cavlc.mov": {"options": {"x264-params": "cabac=0:bframes=0"}},
    "h264-interlaced.mp4": {"options": {"x264-params": "tff=1:weightp=0"}},
    "h264-10bit.mkv": {"pix_fmt": "yuv420p10le"},
    "mpeg4.mp4": {"codec": "mpeg4"},
    "mpeg4-b.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "msmpeg4.avi": {"codec": "msmpeg4v2"},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "mpeg2.mpg": {"codec": "mpeg2video", "fps": 25},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "ffv1-crc.mkv": {"codec": "ffv1", "options": {"level": "3", "slicecrc": "1"}},
    "raw.avi": {"codec": "rawvideo", "pix_fmt": "bgr24"},
    "png.mov": {"codec": "png", "pix_fmt": "rgb24"},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime", "crf": "32"}},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none", "preset": "ultrafast"}},
}
#: formats without anything by which overwritten bytes could be told (no syntax to break, no checksum)
BLIND = {"raw.avi", "vp9.webm", "hevc.mp4"}


@pytest.fixture(scope="module")
def formats(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One short clip of every format that this build of FFmpeg can write."""
    folder = tmp_path_factory.mktemp("formats")
    made = {}
    for name, options in FORMATS.items():
        try:
            av.Codec(options.get("codec", "libx264"), "w")
        except ValueError:
            continue
        made[name] = encode(folder / name, scene(24, (320, 192), seed=3, noise=8), **options)
    return made


def read(path: Path) -> tuple[list[bytes], Report]:
    """A digest of every picture, and the report."""
    report = Report()
    digests = []
    for frame in decode(path, report):
        digest = sha256()
        for plane in frame.planes:
            digest.update(bytes(plane))
        digests.append(digest.digest())
    return digests, report


def seen(path: Path) -> bool:
    """Whether the stage would say that something is wrong with this file."""
    try:
        digests, report = read(path)
    except StageError:
        return True
    return bool(report.faults) or not digests


def run(path: Path, batch: int = 50, **params: Any) -> tuple[NDArray[np.uint8], NDArray[Any], dict[str, Any]]:
    """rgb, time and attributes, by the stage."""
    blocks = iter([Block(0, batch, 0, {}, SourceFile(path))])
    parts = list(STAGE.compute(blocks, FramesParams(**params), VideoInfo()))
    rgb, time = (np.concatenate([p[name] for p in parts]) for name in ("rgb", "time"))
    return rgb, time, parts[-1].attrs


def refused(path: Path, **params: Any) -> str:
    """The error of a file that cannot be used: one line that names the file, the reason and the remedy."""
    with pytest.raises(StageError) as caught:
        run(path, **params)
    text = str(caught.value)
    assert caught.value.reason.startswith(f"{path}: ")
    assert caught.value.remedy
    assert "\n" not in text
    assert "[Errno" not in text
    assert "Traceback" not in text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return text


def garbage(path: Path, target: Path, at: int, size: int = 4096, seed: int = 0) -> Path:
    """A copy with ``size`` random bytes at ``at``."""
    data = bytearray(path.read_bytes())
    noise = np.random.default_rng(seed).integers(0, 256, size, np.uint8).tobytes()
    data[at : at + size] = noise[: max(0, len(data) - at)]
    target.write_bytes(data)
    return target


def truncated(path: Path, target: Path, keep: float) -> Path:
    """A copy of the first part of a file."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * keep)])
    return target


def picture_bytes(path: Path) -> list[tuple[int, int]]:
    """(position, size) of the compressed pictures in a file."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size) for p in container.demux(video=0) if p.size and p.pos is not None]


# -- sound files -----------------------------------------------------------------------------


def manifest(shared: Path) -> dict[str, int]:
    with (shared / "MANIFEST.tsv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return {Path(r["file"]).name: int(r["frames_decoded"]) for r in rows if r["frames_decoded"]}


@each_clip
def test_real_clips_have_the_frames_that_are_there(shared: Path, clip: str) -> None:
    digests, report = read(shared / "videos" / clip)
    assert len(digests) == report.frames == manifest(shared)[clip]
    assert report.faults == []


@each_clip
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_remuxed_real_clips_raise_no_alarm(shared: Path, tmp_path: Path, clip: str, container: str) -> None:
    source = shared / "videos" / clip
    if clip.endswith(".avi"):
        container = "avi"  # msmpeg4 is not allowed in the others
    options = {"movflags": "faststart"} if container == "mp4" else {}
    again, report = read(remux(source, tmp_path / f"again.{container}", **options))
    assert report.faults == []
    before, original = read(source)
    if container == "mkv" and original.discarded:  # Matroska has no edit lists: the hidden ones show
        assert again[-len(before) :] == before
        assert report.frames == original.packets
    else:
        assert again == before


@pytest.mark.parametrize("name", FORMATS)
def test_sound_files_raise_no_alarm(formats: dict[str, Path], name: str) -> None:
    if name not in formats:
        pytest.skip("this FFmpeg has no such encoder")
    digests, report = read(formats[name])
    assert report.faults == []
    assert len(digests) == report.frames == report.packets == 24
    assert report.claimed in (0, 24)
    assert len(set(digests)) == 24, "every picture is its own"
    assert report.interlaced == (24 if "interlaced" in name else 0)


def test_an_avi_with_dropped_pictures_is_sound(formats: dict[str, Path], tmp_path: Path) -> None:
    """AVI counts time slots: a camera that drops a picture leaves one empty, and that is no damage."""
    path = tmp_path / "dropped.avi"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        for t, rgb in enumerate(scene(24, (320, 192))):
            if t in (7, 8, 15):
                continue
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = t, Fraction(1, 30)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    _, report = read(path)
    assert (report.claimed, report.frames) == (24, 21), "otherwise this test shows nothing"
    assert report.faults == []
    assert seen(truncated(path, tmp_path / "cut.avi", 0.7))


@pytest.mark.parametrize(
    "name", ["a b.mp4", "concat:x.mp4", "clip%03d [1].mp4", "-y.mp4", "spiel ü 卓球.mp4"]
)
def test_file_names_are_only_names(
    formats: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """FFmpeg takes what stands before a colon for a protocol."""
    (tmp_path / name).write_bytes(formats["h264.mp4"].read_bytes())
    monkeypatch.chdir(tmp_path)
    assert len(read(tmp_path / name)[0]) == len(read(Path(name))[0]) == 24


def test_decoding_is_the_same_each_time_and_in_any_batch(formats: dict[str, Path]) -> None:
    whole = run(formats["h264.mp4"])
    for batch in (1, 7, 24):
        for a, b in zip(run(formats["h264.mp4"], batch)[:2], whole[:2], strict=True):
            np.testing.assert_array_equal(a, b)
    assert whole[0].dtype == np.uint8
    assert whole[1].dtype == np.float64
    np.testing.assert_allclose(np.diff(whole[1]), 1 / 30, atol=1e-9)


def test_pictures_come_in_presentation_order(formats: dict[str, Path]) -> None:
    """With B-frames the file's order is another one; the shown order is the scene's."""
    drawn = np.stack(list(scene(24, (320, 192), seed=3, noise=8)))
    for name in ("h264.mp4", "h264.mkv", "mpeg4-b.avi"):
        rgb, time, attrs = run(formats[name], width=320, height=192)
        assert attrs["timestamps_not_increasing"] == 0
        assert (np.diff(time) > 0).all()
        away = [[np.abs(shown.astype(int) - d).mean() for d in drawn] for shown in rgb]
        np.testing.assert_array_equal(np.argmin(away, axis=1), np.arange(24))


# -- damage ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in FORMATS if n not in BLIND])
def test_garbage_in_the_pictures_is_seen(formats: dict[str, Path], tmp_path: Path, name: str) -> None:
    if name not in formats:
        pytest.skip("this FFmpeg has no such encoder")
    path, whole = formats[name], read(formats[name])[0]
    places = picture_bytes(path) or [(k * path.stat().st_size // 24, 1) for k in range(24)]
    missed = []
    # a stream without an index whose last pictures are all gone is a shorter stream and nothing else
    for k, (at, size) in enumerate(place for place in places[::5] if place[0] + 4096 < places[-1][0]):
        bad = garbage(path, tmp_path / f"bad-{name}", at + size // 3, seed=k)
        if not seen(bad) and read(bad)[0] != whole:
            missed.append(at)
    assert missed == []


@each_clip
def test_garbage_in_real_clips_is_seen(shared: Path, tmp_path: Path, clip: str) -> None:
    """4 kB at six places of each clip, among them its first and its largest picture."""
    path = shared / "videos" / clip
    whole, places = read(path)[0], picture_bytes(path)
    chosen = [
        places[0],
        max(places, key=lambda p: p[1]),
        *(places[len(places) * k // 5] for k in range(1, 5)),
    ]
    for k, (at, size) in enumerate(chosen):
        bad = garbage(path, tmp_path / f"bad{path.suffix}", at + size // 4, seed=k)
        assert seen(bad) or read(bad)[0] == whole, f"4 kB at {at} changed pictures silently"


@pytest.mark.parametrize("keep", [0.02, 0.5, 0.9])
@pytest.mark.parametrize(
    "name",
    ["h264.mp4", "h264-faststart.mp4", "h264-fragmented.mp4", "h264.mkv", "mjpeg.avi", "vp9.webm", "raw.avi"],
)
def test_truncation_is_seen(formats: dict[str, Path], tmp_path: Path, name: str, keep: float) -> None:
    if name not in formats:
        pytest.skip("this FFmpeg has no such encoder")
    bad = truncated(formats[name], tmp_path / name, keep)
    text = refused(bad)
    if name == "h264.mp4":
        assert "truncated (no index)" in text
    if "frames decoded" in text:
        rgb, time, attrs = run(bad, damaged="keep")
        assert 0 < len(rgb) == len(time) <= 24
        assert attrs["faults"]


@each_clip
def test_truncated_real_clips_are_seen(shared: Path, tmp_path: Path, clip: str) -> None:
    path = shared / "videos" / clip
    fast = None
    if path.suffix == ".mp4":
        fast = remux(path, tmp_path / "fast.mp4", movflags="faststart")
        mkv = remux(path, tmp_path / "clip.mkv")
    for source in [path] + ([fast, mkv] if fast else []):
        for keep in (0.3, 0.97):
            assert seen(truncated(source, tmp_path / f"cut{source.suffix}", keep)), (source.name, keep)


def test_truncation_between_two_pictures_is_seen(formats: dict[str, Path], tmp_path: Path) -> None:
    """A cut that leaves every packet whole shows only in the index, or in the length that a file states."""
    for name in ("h264-faststart.mp4", "h264.mkv", "mjpeg.avi"):
        data = formats[name].read_bytes()
        for at, size in picture_bytes(formats[name])[-6:-1]:
            (tmp_path / name).write_bytes(data[: at + size])
            assert seen(tmp_path / name), (name, at + size)


def test_a_lost_transport_packet_is_seen(formats: dict[str, Path], tmp_path: Path) -> None:
    data, (at, size) = formats["h264.ts"].read_bytes(), picture_bytes(formats["h264.ts"])[0]
    gap = (at + size // 2) // 188 * 188
    (tmp_path / "gap.ts").write_bytes(data[:gap] + data[gap + 188 :])
    assert read(tmp_path / "gap.ts")[1].faults[0] == "frame 0 is damaged"


def test_the_same_damage_is_seen_again(formats: dict[str, Path], tmp_path: Path) -> None:
    """The second of two files with the same fault is as damaged as the first."""
    for name, keep in (("h264.mkv", 0.6), ("vp9.webm", 0.6), ("h264-faststart.mp4", 0.6), ("mjpeg.avi", 0.6)):
        if name in formats:
            bad = truncated(formats[name], tmp_path / name, keep)
            reports = [asdict(read(bad)[1]) for _ in range(3)]
            assert reports[0]["faults"]
            assert reports[1:] == reports[:1] * 2


def test_one_message_is_not_lost_behind_the_same_one_before(formats: dict[str, Path], tmp_path: Path) -> None:
    """FFmpeg's only word on this damage is one message, equal for every such file."""
    sources = []
    for k in range(2):
        data = bytearray(formats["ffv1-crc.mkv"].read_bytes())
        at, size = picture_bytes(formats["ffv1-crc.mkv"])[5 + k]
        data[at + size // 2 : at + size // 2 + 64] = bytes(64)
        sources.append(tmp_path / f"{k}.mkv")
        sources[-1].write_bytes(data)
    for path in [*sources, *sources]:
        assert read(path)[1].faults


def test_two_files_read_in_turn_keep_their_faults_apart(formats: dict[str, Path], tmp_path: Path) -> None:
    sound = formats["h264.mp4"]
    at, size = picture_bytes(sound)[8]
    bad = garbage(sound, tmp_path / "bad.mp4", at + size // 3)
    alone = asdict(read(bad)[1])
    good_report, bad_report = Report(), Report()
    both: list[Iterator[Any]] = [decode(sound, good_report), decode(bad, bad_report)]
    assert sum(1 for _ in zip_longest(*both)) >= 24
    assert good_report.faults == []
    assert asdict(bad_report) == alone


def test_an_abandoned_file_does_not_hear_for_others(formats: dict[str, Path]) -> None:
    pictures = decode(formats["h264.mp4"], Report())
    assert isinstance(pictures, Generator)
    next(pictures)
    with av.logging.Capture() as heard:
        av.logging.log(av.logging.ERROR, "other", "mine")
        pictures.close()
        av.logging.log(av.logging.ERROR, "other", "mine too")
    assert [m[2] for m in heard] == ["mine", "mine too"]


def test_faults_in_a_hidden_picture_count(formats: dict[str, Path], tmp_path: Path) -> None:
    """An edit list hides the damaged key frame, but what is shown is predicted from it."""
    path = tmp_path / "clip.mp4"
    encode(path, scene(30, (320, 192), noise=12), options={"x264-params": "bframes=0:keyint=30"})
    hide_first(path, 10)
    whole = read(path)[0]
    at, size = picture_bytes(path)[0]
    for k in range(4):
        bad = garbage(path, tmp_path / "bad.mp4", at + size * (k + 1) // 6, size=512, seed=k)
        assert seen(bad) or read(bad)[0] == whole


@pytest.mark.parametrize("keep", ["garbage", "cut"])
def test_damaged_keep_stores_what_is_there(formats: dict[str, Path], tmp_path: Path, keep: str) -> None:
    path = formats["h264-faststart.mp4"]
    at, size = picture_bytes(path)[12]
    if keep == "garbage":
        bad = garbage(path, tmp_path / "bad.mp4", at + size // 3)
    else:
        bad = tmp_path / "bad.mp4"
        bad.write_bytes(path.read_bytes()[: at + size // 2])
    text = refused(bad)
    assert "damaged" in text
    assert "damaged: keep" in text, "the remedy names the setting"
    rgb, time, attrs = run(bad, damaged="keep")
    assert 0 < len(rgb) == len(time) <= 24
    assert attrs["faults"]
    assert all("\n" not in f and "[Errno" not in f for f in attrs["faults"])
    sound = run(path)[0]
    np.testing.assert_array_equal(rgb[:5], sound[:5])
    if keep == "garbage":
        assert any(re.fullmatch(r"frame 1\d is damaged", f) for f in attrs["faults"]), "says which frame"
    if keep == "cut":
        assert "the index lists 24 frames" in attrs["faults"][-1]
        assert len(rgb) < 24


def test_thousands_of_faults_stay_readable(formats: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "long.avi"
    encode(path, scene(200, (160, 96)), codec="mjpeg", pix_fmt="yuvj420p")
    data = bytearray(path.read_bytes())
    for at, size in picture_bytes(path):
        data[at + 8 : at + min(size, 300)] = bytes(min(size, 300) - 8)
    path.write_bytes(data)
    report = Report()
    for _ in decode(path, report):
        pass
    assert 1 < len(report.faults) <= MOST_FAULTS
    assert report.faults[-1].endswith("more signs of damage")
    assert int(report.faults[-1].split()[1]) > 100


def test_a_change_of_size_is_a_fault(tmp_path: Path) -> None:
    parts = []
    for k, size in enumerate([(320, 192), (160, 96)]):
        parts.append(encode(tmp_path / f"{k}.ts", scene(6, size), codec="mpeg2video", fps=25).read_bytes())
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(parts))
    refused(path)
    rgb, _, attrs = run(path, damaged="keep")
    assert rgb.shape[1:] == (180, 320, 3)
    assert any("picture size or format changes at frame" in fault for fault in attrs["faults"])


# -- files that are no video -----------------------------------------------------------------


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.touch()
    assert "empty (0 bytes)" in refused(path)


def test_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("This is not a video.\n" * 200)
    assert "not a video that can be opened" in refused(path)


def test_a_file_of_zeros(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(100_000))
    assert "not a video that can be opened" in refused(path)


@pytest.mark.parametrize("name", ["tone.m4a", "tone.mp4", "tone.wav"])
def test_sound_without_picture(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("pcm_s16le" if name.endswith("wav") else "aac", rate=44100)
        for k in range(20):
            tone = (np.sin(np.arange(1024) / 20) * 0.3).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, 1024 * k
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert "holds no video stream (only audio)" in refused(path)


@pytest.mark.parametrize("name", ["none.mp4", "none.mkv", "none.avi"])
def test_a_video_without_a_frame(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    options = {"movflags": "empty_moov"} if name.endswith("mp4") else {}
    with av.open(str(path), "w", options=options) as out:
        stream: Any = out.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        out.start_encoding()
    for damaged in ("fail", "keep"):
        text = refused(path, damaged=damaged)
        assert "no frame could be decoded" in text or "not a video that can be opened" in text


def test_a_directory(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").mkdir()
    assert "is a directory" in refused(tmp_path / "clip.mp4")


def test_a_missing_file_and_a_dangling_link(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "clip.mp4")
    (tmp_path / "link.mp4").symlink_to("nowhere")
    assert "no such file" in refused(tmp_path / "link.mp4")
    (tmp_path / "file").touch()
    assert "no such file" in refused(tmp_path / "file" / "clip.mp4")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "clip.mp4")
    assert "not a regular file" in refused(tmp_path / "clip.mp4")


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder that everybody may enter, and a process without root's right to read everything."""
    if not hasattr(os, "geteuid"):
        pytest.skip("no user ids here")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            if was_root:
                os.seteuid(0)
            for path in Path(name).rglob("*"):
                path.chmod(0o755)


def test_an_unreadable_file(formats: dict[str, Path], nobody: Path) -> None:
    euid = os.geteuid()
    if euid == 65534:
        os.seteuid(0)
    data = formats["h264.mp4"].read_bytes()
    (nobody / "clip.mp4").write_bytes(data)
    (nobody / "clip.mp4").chmod(0)
    (nobody / "closed").mkdir()
    (nobody / "closed" / "clip.mp4").write_bytes(data)
    (nobody / "closed").chmod(0)
    os.seteuid(euid)
    assert "may not be read" in refused(nobody / "clip.mp4")
    assert "cannot be reached (Permission denied)" in refused(nobody / "closed" / "clip.mp4")


# -- what the container asks for -------------------------------------------------------------


def box(data: bytes | bytearray, name: bytes) -> int:
    """Position behind the type of the first MP4 box of that name (ISO/IEC 14496-12)."""
    at = data.index(name)
    return at + 4


def hide_first(path: Path, frames: int) -> None:
    """Let the edit list start after so many frames of a clip without B-frames, at 30 fps."""
    with av.open(str(path)) as container:
        base = container.streams.video[0].time_base
    assert base is not None
    ticks = int(Fraction(1, 30) / base)
    data = bytearray(path.read_bytes())
    at = box(data, b"elst") + 4 + 4  # version and flags, number of entries
    duration, media_time = struct.unpack_from(">Ii", data, at)
    struct.pack_into(">Ii", data, at, duration - frames * 1000 // 30, media_time + frames * ticks)
    path.write_bytes(data)


def test_what_an_edit_list_hides_is_hidden(clip_factory: Factory) -> None:
    path = clip_factory(n=30, options={"x264-params": "bframes=0"})
    before = run(path)[0]
    hide_first(path, 10)
    rgb, time, attrs = run(path)
    assert (attrs["frames_claimed"], attrs["frames_hidden_by_edit_list"]) == (30, 10)
    assert attrs["faults"] == []
    np.testing.assert_array_equal(rgb, before[10:])
    assert time[0] == pytest.approx(0, abs=0.034)


def test_the_edit_list_of_a_real_clip(shared: Path) -> None:
    rgb, _, attrs = run(shared / "videos" / "tennis_behind_480p30.mp4")
    assert attrs["frames_claimed"] == 195
    assert len(rgb) == 127
    assert attrs["frames_hidden_by_edit_list"] == 195 - 127
    assert attrs["faults"] == []


def quarters() -> NDArray[np.uint8]:
    """An upright picture that no turn or mirror maps onto itself: red, green / blue, white."""
    out = np.zeros((180, 320, 3), np.uint8)
    out[:90, :160], out[:90, 160:], out[90:, :160], out[90:, 160:] = (
        (220, 30, 30), (30, 220, 30), (30, 30, 220), (220, 220, 220)
    )  # fmt: skip
    return out


#: clockwise quarter turns -> the matrix (a b u, c d v, x y w) of a tkhd box: x' = ax + cy, y' = bx + dy
TURNS = {
    1: (0, 1, 0, -1, 0, 0, 0, 0, 0x4000),
    2: (-1, 0, 0, 0, -1, 0, 0, 0, 0x4000),
    3: (0, -1, 0, 1, 0, 0, 0, 0, 0x4000),
}


@pytest.mark.parametrize("turns", TURNS)
def test_rotated_recordings_come_out_upright(clip_factory: Factory, turns: int) -> None:
    """A phone held sideways stores turned pictures and a tag that says how to show them."""
    upright = quarters()
    stored = np.ascontiguousarray(np.rot90(upright, turns))  # anticlockwise: the tag turns it back
    path = clip_factory(frames=[stored] * 3, options={"crf": "5"})
    data = bytearray(path.read_bytes())
    at = box(data, b"tkhd") + 4 + 20 + 8 + 8  # version and flags, 5 fields, reserved, layer … volume
    struct.pack_into(">9i", data, at, *(v * 0x10000 for v in TURNS[turns]))
    path.write_bytes(data)
    rgb, _, attrs = run(path)
    assert attrs["fit"] == "exact"
    assert abs(attrs["rotation"]) == (180 if turns == 2 else 90)
    away = np.abs(rgb.astype(int) - upright).max(axis=(0, 3))
    away[86:94], away[:, 156:164] = 0, 0  # the encoder blurs the borders between colours
    assert away.max() <= 12


def test_interlaced_flagged_files_decode_right(clip_factory: Factory) -> None:
    """OpenCV gives black or another file's frames for these."""
    pictures = list(scene(12, (320, 192), seed=9, noise=1))
    path = clip_factory(frames=pictures, options={"x264-params": "tff=1:weightp=0", "crf": "12"})
    rgb, _, attrs = run(path, height=192)
    assert attrs["frames_interlaced"] == len(rgb) == 12
    for shown, drawn in zip(rgb, pictures, strict=True):
        assert np.abs(shown.astype(int) - drawn).mean() < 4
    assert attrs["faults"] == []


# -- frame rate ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fps", [Fraction(120), Fraction(60), Fraction(30000, 1001), Fraction(10), Fraction(240)]
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_the_frame_rate_is_the_files(clip_factory: Factory, name: str, fps: Fraction) -> None:
    attrs = run(clip_factory(name, n=12, size=(160, 96), codec="mpeg4", fps=fps))[2]
    assert Fraction(attrs["fps_num"], attrs["fps_den"]) == fps
    assert attrs["fps_from"] == "container"


def test_the_manifest_overrules(clip_factory: Factory) -> None:
    attrs = run(clip_factory(n=4, fps=30), fps=119.88)[2]
    assert attrs["fps"] == pytest.approx(119.88)
    assert attrs["fps_from"] == "manifest"


def test_claims_that_no_timestamp_supports_are_replaced() -> None:
    rng = np.random.default_rng(0)
    tick = Fraction(1, 1000)
    times = list(np.round(np.arange(300) / 30 + rng.uniform(-0.004, 0.004, 300), 3))
    rate = rate_of(Fraction(1000), tick, times)
    assert (rate.origin, rate.variable) == ("timestamps", False)
    assert float(rate.fps) == pytest.approx(30, rel=1e-3)
    assert rate_of(Fraction(30), tick, times) == Rate(Fraction(30), "container", False)
    dropped = [t for k, t in enumerate(times) if k % 5]  # every fifth picture lost: still a 30 fps camera
    assert rate_of(Fraction(30), tick, dropped) == Rate(Fraction(30), "container", True)
    assert rate_of(Fraction(0), tick, [0.0]) == Rate(Fraction(0), "container", False)
    assert rate_of(Fraction(25), tick, [0.0, np.nan, 0.1]) == Rate(Fraction(25), "container", False)


def test_a_time_base_is_no_rate() -> None:
    assert rate_of(Fraction(90000), Fraction(1, 90000), [0.0]).fps == 0
    assert rate_of(Fraction(1000), Fraction(1, 1000), [0.0]).fps == 0
    assert rate_of(Fraction(600), Fraction(1, 600), [0.0]).fps == 0
    assert rate_of(Fraction(240), Fraction(1, 240), [0.0]).fps == 240
    assert rate_of(Fraction(600), Fraction(1, 600), [k / 600 for k in range(9)]).fps == 600
    assert rate_of(Fraction(90000), Fraction(1, 90000), [k / 30 for k in range(9)]).fps == 30
    assert rate_of(Fraction(2000), Fraction(1, 90000), [k / 2000 for k in range(9)]).fps == 0
    assert MOST_FPS == 1000


def test_a_rate_that_drifts_from_even_times_is_replaced() -> None:
    """30/s is said, 30000/1001 it is: within a minute seconds name other frames."""
    times = [round(k * 1001 / 30000, 3) for k in range(1800)]
    assert rate_of(Fraction(30), Fraction(1, 1000), times) == Rate(Fraction(30000, 1001), "timestamps", False)


def test_interlaced_streams_have_their_frame_rate(clip_factory: Factory) -> None:
    path = clip_factory("a.ts", n=25, codec="mpeg2video", fps=25, options={"flags": "+ildct+ilme"})
    attrs = run(path)[2]
    assert attrs["fps"] == 25
