"""How a picture is to be turned and mirrored before it is shown: the display matrix of its file.

The matrix (ISO/IEC 14496-12 §8.3.2; H.264's display orientation and JPEG's EXIF come in the same form) maps
the coded picture to the shown one: x' = a·x + c·y, y' = b·x + d·y. Eight of all matrices turn by right angles
and mirror; scaling them changes nothing. All others (zeros, shears, turns by 45°) are no orientation that a
camera has: the picture is taken as it is coded, and a note says so.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

#: sine of the angle that a matrix may be off a right one; FFmpeg's auto-rotation allows the same degree
TOLERANCE = math.sin(math.radians(1))
#: signs of (a, b, c, d) → degrees anticlockwise, mirrored left to right afterwards
_EIGHT = {
    (1, 0, 0, 1): (0, False),
    (0, 1, -1, 0): (-90, False),
    (-1, 0, 0, -1): (180, False),
    (0, -1, 1, 0): (90, False),
    (-1, 0, 0, 1): (0, True),
    (1, 0, 0, -1): (180, True),
    (0, 1, 1, 0): (-90, True),
    (0, -1, -1, 0): (90, True),
}


@dataclass(frozen=True)
class Orientation:
    """What makes the coded picture the shown one.

    Attributes
    ----------
    rotation : int
        Degrees anticlockwise: 0, 90, 180 or −90.
    mirrored : bool
        Whether the turned picture is then mirrored left to right.
    note : str
        Why a matrix was ignored; else empty.
    """

    rotation: int = 0
    mirrored: bool = False
    note: str = ""


def orientation_of(frame: Any) -> Orientation:
    """Read the display matrix that came with a decoded picture.

    Parameters
    ----------
    frame : av.VideoFrame
    """
    if not (side := frame.side_data.get("DISPLAYMATRIX")):
        return Orientation()
    data = bytes(side)
    if len(data) < 36:
        return Orientation(note=f"its display matrix has {len(data)} bytes instead of 36: ignored")
    return orientation_from(struct.unpack("<9i" if _LITTLE else ">9i", data[:36]))


_LITTLE = struct.pack("=i", 1) == struct.pack("<i", 1)


def orientation_from(matrix: tuple[int, ...]) -> Orientation:
    """Return the orientation that a matrix asks for.

    Parameters
    ----------
    matrix : (9,) int
        a, b, u, c, d, v, x, y, w in FFmpeg's order; only a, b, c, d count, in any common unit.
    """
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    # a row each: scaling a row changes the size of the picture, not its orientation
    across, down = math.hypot(a, c), math.hypot(b, d)
    if across and down:
        rows = (a / across, b / down, c / across, d / down)
        signs = tuple(0 if abs(v) < TOLERANCE else math.copysign(1, v) for v in rows)
        if signs in _EIGHT:
            return Orientation(*_EIGHT[signs])
    shown = ", ".join(f"{v / 65536:g}" for v in (a, b, c, d))
    return Orientation(
        note=f"its display matrix ({shown}) is no turn by right angles: pictures are stored as they are coded"
    )
