"""Our flow against the stored fields of the reference implementation, on every code path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.flow import irls_flow, irls_flow_video, variants
from stages.flow.engine import ISA_VARIABLE
from tests.support.flow import reference_files, shared

ALL = ("avx512", "avx2", "baseline")


@pytest.fixture(params=ALL)
def variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param not in variants():
        pytest.skip(f"this processor does not run {request.param}")
    monkeypatch.setenv(ISA_VARIABLE, request.param)
    return str(request.param)


def test_the_reference_material_is_complete() -> None:
    assert len(list(shared("flow", "pyflow").glob("*.npz"))) >= 10


@pytest.mark.parametrize("path", reference_files(), ids=lambda path: path.stem)
def test_equals_the_reference(path: Path, variant: str) -> None:
    with np.load(path) as data:
        flow = irls_flow(data["frame0"], data["frame1"])
        error = np.abs(flow - data["flow"])
        if np.array_equal(data["frame0"], data["frame1"]):
            assert not flow.any()
    assert flow.dtype == np.float32
    assert error.mean() <= 2e-5
    assert np.quantile(error, 0.999) <= 5e-4


@pytest.mark.skipif("avx512" not in variants(), reason="needs a processor with both paths")
@pytest.mark.parametrize("path", reference_files(), ids=lambda path: path.stem)
def test_the_wide_paths_agree_bit_for_bit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with np.load(path) as data:
        pair = data["frame0"], data["frame1"]
    fields = []
    for name in ("avx512", "avx2"):
        monkeypatch.setenv(ISA_VARIABLE, name)
        fields.append(irls_flow(*pair))
    assert fields[0].tobytes() == fields[1].tobytes()


def test_a_video_equals_its_pairs(variant: str) -> None:
    """Features of a frame are made once and used twice; nothing of an earlier pair may leak."""
    with np.load(shared("flow", "pyflow", "car_320x180.npz")) as data:
        a, b = data["frame0"], data["frame1"]
    video = [a, b, b, a, a[:, ::-1], b[::-1]]
    fields = list(irls_flow_video(video))
    assert len(fields) == len(video) - 1
    for t, field in enumerate(fields):
        assert np.array_equal(field, irls_flow(video[t], video[t + 1]))
