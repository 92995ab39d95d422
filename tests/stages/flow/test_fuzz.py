"""Anything a caller may legally hand the engine gives finite flow, the same on both wide paths.

The same file is run once under AddressSanitizer and UBSan by tests/stages/flow/sanitize_flow.sh.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.flow import IrlsFlow, IrlsParams, irls_flow, quantise, variants
from stages.flow.engine import ISA_VARIABLE

EXAMPLES = int(os.environ.get("TTPREP_FUZZ", "60"))
Picture = NDArray[np.uint8] | NDArray[np.float32]

parameters = st.builds(
    IrlsParams,
    alpha=st.sampled_from([1e-6, 0.003, 0.012, 1.0, 1e6]),
    ratio=st.sampled_from([0.4, 0.5, 0.61, 0.75, 0.9, 0.98]),
    min_width=st.integers(4, 24),
    n_outer=st.integers(1, 3),
    n_inner=st.integers(1, 3),
    n_sor=st.sampled_from([1, 2, 3, 7, 30, 61]),
)


@st.composite
def pictures(draw: st.DrawFn, least: int, channels: int, height: int = 0, width: int = 0) -> Picture:
    """Noise, edges, constants, single bright pixels; bytes or floats; any strides."""
    height = height or least + draw(st.integers(0, 40))
    width = width or least + draw(st.integers(0, 70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["noise", "checks", "constant", "spike", "ramp"]))
    shape = (height, width, channels)
    if kind == "noise":
        picture = rng.integers(0, 256, shape)
    elif kind == "checks":
        picture = 255 * (np.indices(shape[:2]).sum(axis=0) // draw(st.integers(1, 9)) % 2)[:, :, None]
    elif kind == "ramp":
        picture = (np.arange(width) * 255 // width)[None, :, None]
    else:
        picture = np.full(shape, draw(st.sampled_from([0, 1, 128, 255])))
        if kind == "spike":
            picture[rng.integers(height), rng.integers(width)] = 255
    data = np.broadcast_to(picture, shape).astype(np.uint8)
    layout = draw(st.sampled_from(["c", "fortran", "flipped", "strided"]))
    if layout == "fortran":
        data = np.asfortranarray(data)
    elif layout == "flipped":
        data = data[::-1, ::-1].copy()[::-1, ::-1]
    elif layout == "strided":
        wide = np.zeros((height, 2 * width, 2 * channels), np.uint8)
        wide[:, ::2, ::2] = data
        data = wide[:, ::2, ::2]
    if draw(st.booleans()):
        return (data / np.float32(255)).astype(np.float32)
    return data


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Picture, Picture, IrlsParams]:
    params = draw(parameters)
    channels = draw(st.sampled_from([1, 3]))
    first = draw(pictures(2 * params.min_width, channels))
    second = draw(pictures(0, channels, *first.shape[:2]))
    return first, second, params


@pytest.fixture(autouse=True)
def _no_forced_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ISA_VARIABLE, raising=False)


def by_variant(first: Picture, second: Picture, params: IrlsParams) -> dict[str, NDArray[np.float32]]:
    fields = {}
    for name in variants():
        os.environ[ISA_VARIABLE] = name
        fields[name] = irls_flow(first, second, **params.model_dump())
    del os.environ[ISA_VARIABLE]
    return fields


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs())
def test_any_legal_input(case: tuple[Picture, Picture, IrlsParams]) -> None:
    first, second, params = case
    fields = by_variant(first, second, params)
    for flow in fields.values():
        assert flow.shape == (*first.shape[:2], 2)
        assert np.isfinite(flow).all()
        if np.array_equal(first, second) and first.dtype == second.dtype:
            assert not flow.any()
    if "avx512" in fields:
        assert fields["avx512"].tobytes() == fields["avx2"].tobytes()


@settings(max_examples=max(5, EXAMPLES // 6), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_workspace_forgets(data: st.DataObject) -> None:
    """After any pair, extreme motion included, the next pair comes out as from a fresh workspace."""
    first, second, params = data.draw(pairs())
    height, width, channels = first.shape
    engine = IrlsFlow(height, width, channels, params)
    engine.push(first)
    engine.push(second)
    engine.flow()
    third = data.draw(pictures(0, channels, height, width))
    engine.push(third)
    assert engine.flow().tobytes() == irls_flow(second, third, **params.model_dump()).tobytes()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_quantising_keeps_what_the_roi_reads(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shape = (data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12)), 2)
    scale = data.draw(st.sampled_from([1e-30, 1e-3, 0.02, 1.0, 40.0]))
    flow = (rng.normal(0, scale, shape) * rng.integers(0, 2, (*shape[:2], 1))).astype(np.float32)
    stored, clipped = quantise(flow)
    speed = np.abs(flow).sum(axis=2)
    decoded = stored / 64
    assert clipped == 0
    assert np.array_equal(stored.any(axis=2), speed != 0)
    assert np.abs(decoded).sum(axis=2).argmax() == speed.argmax()
    error = np.abs(decoded - flow)
    error[np.unravel_index(speed.argmax(), shape[:2])] = 0
    error[~np.rint(flow * 64).any(axis=2)] = 0
    assert error.max() <= 1 / 128 + 1e-6
    assert np.abs(decoded - flow).max() <= 7 / 128 + 1e-6


def test_quantising_counts_what_does_not_fit() -> None:
    flow = np.zeros((3, 4, 2), np.float32)
    flow[1, 2] = (600, -513)
    flow[2, 2] = (511.9, 0)
    stored, clipped = quantise(flow)
    assert clipped == 2
    assert stored[1, 2].tolist() == [32767, -32767]
    assert stored[2, 2].tolist() == [round(511.9 * 64), 0]
