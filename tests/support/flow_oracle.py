"""The IRLS flow once more, in plain float64 NumPy, as slow and as literal as it can be.

Written from the method's description (thesis, appendix A, and the constants of the published code) to hold
the compiled engine against where no reference fields are at hand.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float64]
EPSILON = 1e-6
OMEGA = 1.8
SMOOTH = (0.02, 0.11, 0.74, 0.11, 0.02)
DERIVE = (1 / 12, -8 / 12, 0.0, 8 / 12, -1 / 12)


def along(image: Image, taps: tuple[float, ...], axis: int) -> Image:
    """Correlate with centred taps, ends replicated."""
    radius, n = len(taps) // 2, image.shape[axis]
    index = np.arange(n)
    out = np.zeros_like(image)
    for k, tap in enumerate(taps):
        out += tap * np.take(image, np.clip(index + k - radius, 0, n - 1), axis=axis)
    return out


def smooth(image: Image, taps: tuple[float, ...]) -> Image:
    return along(along(image, taps, 1), taps, 0)


def resize(image: Image, size: tuple[int, int], rates: tuple[float, float]) -> Image:
    """Bilinear samples at (k + 1) / rate - 1 along y and x."""
    for axis in (0, 1):
        n = image.shape[axis]
        at = (np.arange(size[axis]) + 1) / rates[axis] - 1
        low = at.astype(int)
        frac = np.clip(at - low, 0, 1).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        pair = [np.take(image, np.clip(low + k, 0, n - 1), axis=axis) for k in (0, 1)]
        image = pair[0] * (1 - frac) + pair[1] * frac
    return image


def pyramid(image: Image, ratio: float, min_width: int) -> list[Image]:
    width = image.shape[1]
    levels = max(1, int(math.log(min_width / width) / math.log(ratio)))
    direct = int(math.log(0.25) / math.log(ratio))
    out = [image]
    for k in range(1, levels):
        source = image if k <= direct else out[k - direct]
        sigma = (1 / ratio - 1) * min(k, direct)
        radius = int(3 * sigma)
        taps = np.exp(-(np.arange(-radius, radius + 1.0) ** 2) / (2 * sigma**2))
        rate = ratio**k * width / source.shape[1]
        size = (int(source.shape[0] * rate), int(source.shape[1] * rate))
        out.append(resize(smooth(source, tuple(taps / taps.sum())), size, (rate, rate)))
    return out


def features(image: Image) -> Image:
    if image.shape[2] == 1:
        grey = image
        rest: list[Image] = []
    else:
        grey = image @ np.array([[0.299], [0.587], [0.114]])
        rest = [image[:, :, 1:2] - image[:, :, 0:1], image[:, :, 1:2] - image[:, :, 2:3]]
    return np.concatenate([grey, along(grey, DERIVE, 1), along(grey, DERIVE, 0), *rest], axis=2)


def warp(first: Image, second: Image, u: Image, v: Image) -> Image:
    height, width = u.shape
    out = first.copy()
    for i in range(height):
        for j in range(width):
            x, y = j + u[i, j], i + v[i, j]
            if 0 <= x <= width - 1 and 0 <= y <= height - 1:
                c, r = int(x), int(y)
                a, b = x - c, y - r
                c1, r1 = min(c + 1, width - 1), min(r + 1, height - 1)
                out[i, j] = (1 - b) * ((1 - a) * second[r, c] + a * second[r, c1])
                out[i, j] += b * ((1 - a) * second[r1, c] + a * second[r1, c1])
    return out


def ahead(field: Image, axis: int) -> Image:
    """Forward difference, 0 at the end."""
    return np.diff(field, axis=axis, append=np.take(field, [-1], axis=axis))


def inflow(field: Image, phi: Image) -> Image:
    """Divergence of phi times the gradient: minus the weighted Laplacian of the published code."""
    out = np.zeros_like(field)
    for axis in (0, 1):
        flux = phi * ahead(field, axis)
        out += flux - np.roll(flux, 1, axis)  # the flux past the end is 0
    return out


def relax(system: dict[str, Image], phi: Image, alpha: float, sweeps: int) -> tuple[Image, Image]:
    """Successive over-relaxation, row by row, starting from zero."""
    height, width = phi.shape
    du, dv = np.zeros_like(phi), np.zeros_like(phi)
    for _ in range(sweeps):
        for i in range(height):
            for j in range(width):
                s = r = total = 0.0
                for y, x, weight in (
                    (i, j - 1, phi[i, j - 1] if j else 0.0),
                    (i, j + 1, phi[i, j]),
                    (i - 1, j, phi[i - 1, j] if i else 0.0),
                    (i + 1, j, phi[i, j]),
                ):
                    if 0 <= y < height and 0 <= x < width:
                        s += weight * du[y, x]
                        r += weight * dv[y, x]
                        total += weight
                ridge = alpha * (0.05 + total)
                a12 = system["a12"][i, j]
                right = system["b1"][i, j] + alpha * s - a12 * dv[i, j]
                du[i, j] = (1 - OMEGA) * du[i, j] + OMEGA / (system["a11"][i, j] + ridge) * right
                right = system["b2"][i, j] + alpha * r - a12 * du[i, j]
                dv[i, j] = (1 - OMEGA) * dv[i, j] + OMEGA / (system["a22"][i, j] + ridge) * right
    return du, dv


def flow(
    frame0: NDArray[np.float64],
    frame1: NDArray[np.float64],
    alpha: float,
    ratio: float,
    min_width: int,
    n_outer: int,
    n_inner: int,
    n_sor: int,
) -> NDArray[np.float64]:
    """Flow of two (H, W, channels) pictures in [0, 1]: (H, W, 2)."""
    pyramids = [pyramid(frame, ratio, min_width) for frame in (frame0, frame1)]
    u = v = np.zeros((0, 0))
    for k in reversed(range(len(pyramids[0]))):
        first, second = (features(p[k]) for p in pyramids)
        shape = first.shape[:2]
        if not u.size:
            u, v = np.zeros(shape), np.zeros(shape)
        else:
            rates = (shape[0] / u.shape[0], shape[1] / u.shape[1])
            u, v = (resize(f[:, :, np.newaxis], shape, rates)[:, :, 0] / ratio for f in (u, v))
        for _ in range(n_outer + k):
            one, two = smooth(first, SMOOTH), smooth(warp(first, second, u, v), SMOOTH)
            mixed = 0.4 * one + 0.6 * two
            dx, dy, dt = along(mixed, DERIVE, 1), along(mixed, DERIVE, 0), two - one
            du, dv = np.zeros(shape), np.zeros(shape)
            for _ in range(n_inner):
                gradients = [ahead(f, axis) ** 2 for f in (u + du, v + dv) for axis in (0, 1)]
                phi = 0.5 / np.sqrt(sum(gradients) + EPSILON)
                residual = dt + dx * du[:, :, np.newaxis] + dy * dv[:, :, np.newaxis]
                psi = 0.5 / np.sqrt(residual**2 + EPSILON)
                system = {
                    "a11": (psi * dx * dx).mean(axis=2),
                    "a12": (psi * dx * dy).mean(axis=2),
                    "a22": (psi * dy * dy).mean(axis=2),
                    "b1": -(psi * dx * dt).mean(axis=2) + alpha * inflow(u, phi),
                    "b2": -(psi * dy * dt).mean(axis=2) + alpha * inflow(v, phi),
                }
                du, dv = relax(system, phi, alpha, n_sor + 3 * k)
            u, v = u + du, v + dv
    return np.stack([u, v], axis=-1)
