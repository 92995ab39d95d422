"""A folder of pictures, one a frame, read as if it were a video.

The order is the natural one of the names (``2.png`` before ``10.png``). Pictures are decoded one by one
by the decoders that videos go through, so that colour tags, bit depth and scaling are treated alike.
"""

from __future__ import annotations

import os
import re
import stat
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import av.error
import av.logging
import numpy as np
from numpy.typing import NDArray

from stages.base import ArraySpec, StageError
from stages.frames.report import Message, Report, listening, reason
from stages.frames.rotation_and_fit import Geometry

#: suffix → FFmpeg's decoder
DECODERS = {".png": "png", ".jpg": "mjpeg", ".jpeg": "mjpeg"}
#: nobody photographs a frame of this size; what claims it is no frame
MAX_BYTES = 500_000_000
#: keypoints that the pose stage knows; the 13 joints of method.md §6 are the first of them
N_JOINTS, N_KEYPOINTS = 13, 17

_NUMBER = re.compile(r"\d+", re.ASCII)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: what a folder with given joint positions also yields: what the pose stage finds in one without
GIVEN = (
    ArraySpec("n_poses", "uint8", ("frame",), description="given joints: 1 where the frame has any"),
    ArraySpec("pose_scores", "float32", ("frame", "pose"), description="mean score of the given joints"),
    ArraySpec(
        "keypoint_scores", "float32", ("frame", "pose", "keypoint"), description="given scores; 0: not given"
    ),
    ArraySpec(
        "keypoints",
        "float32",
        ("frame", "pose", "keypoint", "xy"),
        units="px",
        description="given x and y in the stored frame; the mean of the others where not given",
    ),
)


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key under which numbers in names count as numbers: ``a2`` before ``a10``."""
    parts = [(0, int(p), "") if p.isdecimal() else (1, 0, p.casefold()) for p in _split(name)]
    return parts, name


def _split(name: str) -> Iterator[str]:
    at = 0
    for match in _NUMBER.finditer(name):
        if match.start() > at:
            yield name[at : match.start()]
        yield match[0]
        at = match.end()
    if at < len(name):
        yield name[at:]


def pictures_of(folder: Path) -> list[Path]:
    """The pictures that lie directly in a folder, in frame order; hidden files are left out.

    Raises
    ------
    OSError
        The folder cannot be read.
    """
    names = [
        entry.name
        for entry in os.scandir(folder)
        if not entry.name.startswith(".") and Path(entry.name).suffix.lower() in DECODERS
    ]
    return [folder / name for name in sorted(names, key=natural_key)]


def numbering_faults(names: Sequence[str]) -> list[str]:
    """Gaps and repetitions in numbered pictures.

    Where all names are equal but for one number, the numbers must ascend by one step, the most frequent
    one; other names are in order by themselves.

    Parameters
    ----------
    names : sequence of str
        In natural order.

    Returns
    -------
    list of str
        One line for each gap or repetition.
    """
    stems = [Path(n).stem for n in names]
    split = [list(_split(stem)) for stem in stems]
    varying = {i for a, b in pairwise(split) if len(a) == len(b) for i in range(len(a)) if a[i] != b[i]}
    if len(names) < 2 or len({len(parts) for parts in split}) > 1 or len(varying) > 1:
        return []
    if not varying:
        return [f"{names[0]} and {names[1]} are two pictures of one name"]
    at = varying.pop()
    if not all(parts[at].isdecimal() for parts in split):
        return []
    numbers = [int(parts[at]) for parts in split]
    steps = Counter(b - a for a, b in pairwise(numbers))
    step = min((s for s in steps if s > 0), key=lambda s: (-steps[s], s), default=1)
    faults = []
    for (a, b), (one, other) in zip(pairwise(numbers), pairwise(names), strict=True):
        if a == b:
            faults.append(f"{one} and {other} have the same number")
        elif b - a != step:
            faults.append(f"a frame is missing between {one} and {other}")
    return faults


def decode_folder(folder: Path, report: Report) -> Iterator[Any]:
    """All pictures of a folder, in frame order.

    Parameters
    ----------
    folder : Path
    report : Report
        Filled on the way: pictures that are missing, damaged or of another size are faults.

    Yields
    ------
    av.VideoFrame
        ``pts`` is the number of the picture, in units of frames: the frame rate is not known here. A
        picture that cannot be decoded is left out.

    Raises
    ------
    StageError
        The folder cannot be read or holds no picture.
    """
    av.logging.set_level(av.logging.INFO)  # see decode_video(): PyAV's defaults hide the decoder's messages
    av.logging.set_skip_repeated(False)
    try:
        paths = pictures_of(folder)
    except OSError as e:
        raise StageError(f"{folder}: cannot be read ({e.strerror})", "check path and permissions") from None
    if not paths:
        raise StageError(
            f"{folder}: is a directory, not a video",
            "name the files in it, or a folder of PNG or JPEG pictures",
        )
    report.claimed = len(paths)
    for fault in numbering_faults([p.name for p in paths]):
        report.fault(fault)
    size: tuple[int, int] | None = None
    for number, path in enumerate(paths):
        picture = _decode(path, report)
        if picture is None:
            continue
        if size is None:
            size, report.pixel_format = (picture.width, picture.height), picture.format.name
            report.codec = DECODERS[path.suffix.lower()]
        elif size != (picture.width, picture.height):
            report.fault(
                f"{path.name} has {picture.width}x{picture.height} px, those before it {size[0]}x{size[1]}"
            )
            size = picture.width, picture.height
        elif report.pixel_format != picture.format.name:
            report.fault(
                f"{path.name} has pixels of {picture.format.name}, those before it {report.pixel_format}"
            )
            report.pixel_format = picture.format.name
        picture.pts, picture.time_base = number, Fraction(1)
        report.packets += 1
        report.frames += 1
        yield picture


def _decode(path: Path, report: Report) -> Any:
    """One picture; None, and a fault, where there is none."""
    try:
        data = _load(path)
        _check_whole(data, path.suffix.lower())
        messages: list[Message] = []
        with listening(messages):
            codec: Any = av.CodecContext.create(DECODERS[path.suffix.lower()], "r")
            codec.thread_count = 1
            pictures = [*codec.decode(av.Packet(data)), *codec.decode(None)]
        if not pictures:
            raise ValueError("no picture in it")
        if pictures[0].is_corrupt or messages:
            raise ValueError(" ".join(messages[0][2].split()) if messages else "marked as damaged")
    except (OSError, ValueError, av.error.FFmpegError) as e:
        report.fault(f"{path.name}: {reason(e)}")
        return None
    return pictures[0]


def _load(path: Path) -> bytes:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    if status.st_size == 0:
        raise ValueError("the file is empty (0 bytes)")
    if status.st_size > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES // 10**6} MB; that is no frame")
    return path.read_bytes()


def _check_whole(data: bytes, suffix: str) -> None:
    """Decoders fill in what a cut file lacks, and do not look at PNG's checksums."""
    if DECODERS[suffix] == "mjpeg":
        if not data.startswith(b"\xff\xd8"):
            raise ValueError("not a JPEG file")
        if b"\xff\xd9" not in data[-4096:]:  # cameras may pad behind the end
            raise ValueError("cut short (no end of image)")
        return
    if not data.startswith(_PNG_SIGNATURE):
        raise ValueError("not a PNG file")
    at, kind = len(_PNG_SIGNATURE), b""
    while kind != b"IEND":
        length = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            raise ValueError("cut short")
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise ValueError(f"checksum of its part {kind.decode('latin-1')} is wrong")
        at = end


def place_joints(
    joints: NDArray[np.float64], source: tuple[int, int], plan: Geometry
) -> dict[str, NDArray[Any]]:
    """Given joint positions, moved into the stored frame, as the pose stage would give them.

    Parameters
    ----------
    joints : (n, 13, 3) float64
        x, y in px of the source picture as it is shown, turned as its tag says (pixel centres at whole
        numbers), score; the joints of method.md §6 in its order. A joint with score 0 or without position
        (NaN) is not given.
    source : (int, int)
        (width, height) of the source picture as it is coded, px.
    plan : Geometry

    Returns
    -------
    dict
        The arrays of :data:`GIVEN`, one pose a frame: ``n_poses`` (n,) uint8, ``pose_scores`` (n, 1),
        ``keypoint_scores`` (n, 1, 17) and ``keypoints`` (n, 1, 17, 2) float32, px of the stored frame.
    """
    x, y, w, h = plan.crop
    px, py, pw, ph = plan.place
    given = np.isfinite(joints).all(axis=2) & (joints[..., 2] > 0)
    at = np.where(given[..., None], joints[..., :2], 0.0)
    turns = plan.quarter_turns
    shown = source[::-1] if turns % 2 else source
    u, v = (at[..., 0] + 0.5) / shown[0], (at[..., 1] + 0.5) / shown[1]
    if plan.mirrored:
        u = 1 - u
    for _ in range(turns):  # back to the picture as coded, where the crop is known
        u, v = 1 - v, u
    u, v = (u * source[0] - x) / w, (v * source[1] - y) / h
    for _ in range(turns):  # anticlockwise, as numpy.rot90 turns the picture
        u, v = v, 1 - u
    if plan.mirrored:
        u = 1 - u
    points = np.stack([px + u * pw - 0.5, py + v * ph - 0.5], axis=-1)
    count = given.sum(axis=1)
    known = np.maximum(count, 1)[:, None]
    mean = (points * given[..., None]).sum(axis=1) / known
    scores = np.where(given, joints[..., 2], 0.0)
    keypoints = np.zeros((len(joints), 1, N_KEYPOINTS, 2), np.float32)
    keypoints[:, 0, :N_JOINTS] = np.where(given[..., None], points, mean[:, None])
    keypoints[count == 0] = 0
    keypoint_scores = np.zeros((len(joints), 1, N_KEYPOINTS), np.float32)
    keypoint_scores[:, 0, :N_JOINTS] = scores
    return {
        "n_poses": (count > 0).astype(np.uint8),
        "pose_scores": (scores.sum(axis=1, keepdims=True) / known).astype(np.float32),
        "keypoint_scores": keypoint_scores,
        "keypoints": keypoints,
    }
