"""IRLS optical flow (C. Liu, *Beyond Pixels*, MIT PhD thesis, 2009) on the compiled engine."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.flow.params import IrlsParams

try:
    from stages.flow import _irls
except ImportError as error:  # a source tree that was never built
    raise ImportError(
        "the compiled flow engine stages.flow._irls is missing; "
        "run `pip install -e .` in the source tree (it needs a C compiler)"
    ) from error

#: Environment variable that forces an instruction-set variant.
ISA_VARIABLE = "TTPREP_FLOW_ISA"
MAX_SIDE = 16384
Pixels = NDArray[np.uint8] | NDArray[np.float32]


def variants() -> list[str]:
    """Instruction-set variants that this processor runs, best first: avx512, avx2, baseline."""
    return _irls.variants()


def chosen_variant() -> str:
    """The variant in use: the best one, or what ``TTPREP_FLOW_ISA`` names.

    Raises
    ------
    ValueError
        The variable names none, or one that this processor does not run.
    """
    have = variants()
    name = os.environ.get(ISA_VARIABLE) or have[0]
    if name not in have:
        raise ValueError(
            f"{ISA_VARIABLE}={name}: this processor runs {', '.join(have)}; unset it or name one"
        )
    return name


def _pixels(frame: ArrayLike, name: str) -> Pixels:
    """Check one picture; (H, W, channels), C-contiguous, uint8 or float32 in [0, 1]."""
    array = np.asarray(frame)
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if array.ndim != 3 or array.shape[2] not in (1, 3):
        raise ValueError(
            f"{name}: expected shape (H, W) or (H, W, 1) grey or (H, W, 3) RGB, got {np.shape(frame)}"
        )
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"{name}: expected uint8 or float pixels, got {array.dtype}")
    if array.size:
        low, high = float(array.min()), float(array.max())  # a NaN comes out of both
        if not (low >= -1e-6 and high <= 1 + 1e-6):
            raise ValueError(f"{name}: expected float pixels in [0, 1] without NaN, got {low:g} to {high:g}")
    return np.ascontiguousarray(array, dtype=np.float32)


class IrlsFlow:
    """Flow between consecutive pictures of one video; a picture's pyramid and features are made once.

    One object holds about 0.4 kB a pixel and is used by one thread at a time; the GIL is released while
    it computes.

    Parameters
    ----------
    height, width : int
        Size of the pictures in pixels, both at least ``2 * min_width``.
    channels : {1, 3}
        Grey or RGB.
    params : IrlsParams

    Raises
    ------
    ValueError
        A size out of range, or an unusable ``TTPREP_FLOW_ISA``.
    """

    def __init__(self, height: int, width: int, channels: int, params: IrlsParams | None = None) -> None:
        p = params or IrlsParams()
        least = 2 * p.min_width
        if min(height, width) < least or max(height, width) > MAX_SIDE:
            raise ValueError(
                f"expected pictures from {least} pixels (twice min_width={p.min_width}) "
                f"to {MAX_SIDE} on both sides, got {width}x{height}"
            )
        if channels not in (1, 3):
            raise ValueError(f"expected 1 channel (grey) or 3 (RGB), got {channels}")
        self.shape = (height, width, channels)
        self.variant = chosen_variant()
        self._pushed = 0
        self._workspace = _irls.Workspace(
            width,
            height,
            channels,
            p.alpha,
            p.ratio,
            p.min_width,
            p.n_outer,
            p.n_inner,
            p.n_sor,
            self.variant,
        )

    @property
    def levels(self) -> list[tuple[int, int]]:
        """Sizes (width, height) of the pyramid, finest first."""
        return self._workspace.levels

    @property
    def times(self) -> dict[str, float]:
        """Seconds spent so far: ``pyramid`` (per picture), ``assemble``, ``sor``, ``other`` (per pair)."""
        return self._workspace.times

    def push(self, frame: ArrayLike, name: str = "frame") -> None:
        """Take the next picture of the video.

        Parameters
        ----------
        frame : (H, W) or (H, W, channels) array, uint8, or float in [0, 1]
        name : str
            What an error calls it.

        Raises
        ------
        ValueError
            Another shape than this object was made for, NaN, values out of range, another dtype.
        """
        pixels = _pixels(frame, name)
        if pixels.shape != self.shape:
            raise ValueError(f"{name}: expected shape {self.shape} as before, got {pixels.shape}")
        self._workspace.push(pixels)
        self._pushed += 1

    def flow(self) -> NDArray[np.float32]:
        """Flow from the last but one picture to the last one.

        Returns
        -------
        (H, W, 2) float32
            (dx, dy) in pixels, x right, y down.

        Raises
        ------
        RuntimeError
            Fewer than two pictures were pushed, or another thread is using this object.
        """
        out = np.empty((*self.shape[:2], 2), np.float32)
        self._workspace.solve(out)
        return out


#: what the published wrapper sets
_DEFAULTS = IrlsParams()


#: pixels: the engine of a larger picture is not kept for the next pair (this is 40 MB)
_KEPT_PIXELS = 100_000
_kept = threading.local()


def _engine(pixels: Pixels, params: IrlsParams) -> IrlsFlow:
    """Return an engine for single pairs; this thread's last one again where it fits.

    Its memory is what a pair of pictures spends a third of its time on.
    """
    height, width, channels = pixels.shape
    wanted = (height, width, channels, params, chosen_variant())
    if getattr(_kept, "wanted", None) == wanted:
        engine: IrlsFlow = _kept.engine
        return engine
    engine = IrlsFlow(height, width, channels, params)
    if height * width <= _KEPT_PIXELS:
        _kept.wanted, _kept.engine = wanted, engine
    return engine


def irls_flow(
    frame0: ArrayLike,
    frame1: ArrayLike,
    *,
    alpha: float = _DEFAULTS.alpha,
    ratio: float = _DEFAULTS.ratio,
    min_width: int = _DEFAULTS.min_width,
    n_outer: int = _DEFAULTS.n_outer,
    n_inner: int = _DEFAULTS.n_inner,
    n_sor: int = _DEFAULTS.n_sor,
) -> NDArray[np.float32]:
    """Coarse-to-fine IRLS flow of one pair of pictures.

    C. Liu, *Beyond Pixels*, MIT PhD thesis (2009), appendix A; constants and order of operations as in
    the published code, to which the result is equal up to float32 rounding.

    Parameters
    ----------
    frame0, frame1 : (H, W), (H, W, 1) or (H, W, 3) array
        Grey or RGB, of one shape; uint8, or float in [0, 1]; any strides. Both sides at least
        ``2 * min_width``.
    alpha, ratio, min_width, n_outer, n_inner, n_sor
        See :class:`stages.flow.params.IrlsParams`.

    Returns
    -------
    (H, W, 2) float32
        Motion (dx, dy) in pixels from `frame0` to `frame1`. Exactly zero for identical frames.

    Raises
    ------
    ValueError
        NaN, wrong shapes or dtypes, differing sizes, parameters out of range; says what was expected.
    """
    params = IrlsParams(
        alpha=alpha, ratio=ratio, min_width=min_width, n_outer=n_outer, n_inner=n_inner, n_sor=n_sor
    )
    first, second = _pixels(frame0, "frame0"), _pixels(frame1, "frame1")
    if first.shape != second.shape:
        raise ValueError(f"expected two frames of one shape, got {first.shape} and {second.shape}")
    engine = _engine(first, params)
    engine.push(first, "frame0")
    engine.push(second, "frame1")
    return engine.flow()


def irls_flow_video(
    frames: Iterable[ArrayLike], params: IrlsParams | None = None
) -> Iterator[NDArray[np.float32]]:
    """Flow of each pair of consecutive pictures.

    Parameters
    ----------
    frames : iterable of (H, W) or (H, W, 3) arrays
        As for :func:`irls_flow`; N pictures give N-1 fields.
    params : IrlsParams, optional

    Yields
    ------
    (H, W, 2) float32
        The same values as :func:`irls_flow` on that pair.

    Raises
    ------
    ValueError
        As :func:`irls_flow`; names the frame.
    """
    engine: IrlsFlow | None = None
    for index, frame in enumerate(frames):
        name = f"frame {index}"
        if engine is None:
            pixels = _pixels(frame, name)
            height, width, channels = pixels.shape
            engine = IrlsFlow(height, width, channels, params)
            engine.push(pixels, name)
            continue
        engine.push(frame, name)
        yield engine.flow()
