"""Compare intervals exactly: in fractions, so that 0.6 s are 72 frames at 120 fps and not 71.99."""

from __future__ import annotations

from fractions import Fraction
from functools import cache


@cache
def exact(value: float) -> Fraction:
    """Return the decimal fraction that was written: 0.6 is 3/5, not the nearest binary number."""
    return Fraction(str(value))


def is_same(begin: int, end: int, other_begin: int, other_end: int, share: float) -> bool:
    """Tell whether two intervals share more than a given part of the shorter one.

    Parameters
    ----------
    begin, end : int
        First frame, and first frame after, of one interval.
    other_begin, other_end : int
        Those of the other interval.
    share : float
        Part of the shorter interval; a common part of exactly this size is not enough.
    """
    common = min(end, other_end) - max(begin, other_begin)
    numerator, denominator = exact(share).as_integer_ratio()
    return common * denominator > numerator * min(end - begin, other_end - other_begin)
