"""The ONNX graph: against the stored tensors, against convolutions written out, its cache."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.base import StageError
from stages.pose.architecture import HEADS, MODELS, Model, OutputStride, blocks, largest_stride
from stages.pose.network import build, cached_file, load_session
from stages.pose.weights import Weights, read_checkpoint
from tests.remedies.following import Says
from tests.support.pose import checkpoint, needs_shared, reference, write_checkpoint

Floats = NDArray[np.float32]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run(weights: Weights, stride: OutputStride, image: Floats) -> dict[str, Floats]:
    outputs = load_session(weights, stride).run(list(HEADS), {"image": image})
    return {head: o[0] for head, o in zip(HEADS, outputs, strict=True)}


def picture(height: int, width: int) -> Floats:
    return np.random.default_rng(7).uniform(-1, 1, (1, 3, height, width)).astype(np.float32)


@needs_shared
@pytest.mark.parametrize("scale", ["1.00", "1.60"])
def test_tensors_of_the_reference(scale: str) -> None:
    weights = read_checkpoint(checkpoint())
    names = sorted(reference().glob(f"*_s{scale}.npz"))
    stored_pictures = [n for n in names if not n.name.startswith("video_")]
    assert len(stored_pictures) >= 5
    for path in stored_pictures:
        stored = np.load(path)
        found = run(weights, 16, stored["input"])
        assert np.abs(found["heatmap"] - stored["heatmap"]).max() < 2e-5
        for head in ("offset", "displacement_fwd", "displacement_bwd"):
            assert np.abs(found[head] - stored[head]).max() < 5e-3, head  # of up to some hundred px


def conv_same(x: Floats, kernel: Floats, bias: Floats, stride: int, dilation: int) -> NDArray[np.float64]:
    """A 3×3 convolution of (C, H, W) with an HWIO kernel, tap by tap; HWC1 means depthwise."""
    channels, height, width = x.shape
    padded = np.zeros((channels, height + 2 * dilation, width + 2 * dilation))
    padded[:, dilation : dilation + height, dilation : dilation + width] = x
    out: NDArray[np.floating[Any]] = np.zeros(())
    for i in range(3):
        for j in range(3):
            tap = padded[:, i * dilation :, j * dilation :][:, :height:stride, :width:stride]
            if kernel.shape[3] == 1:
                out = out + tap * kernel[i, j, :, 0][:, None, None]
            else:
                out = out + np.einsum("chw,co->ohw", tap, kernel[i, j].astype(np.float64))
    return np.clip(out + bias[:, None, None], 0, 6)


@pytest.mark.parametrize(("model", "stride"), [("0.50", 8), ("0.50", 16), ("0.75", 16), ("1.0", 32)])
def test_every_layer_written_out(tmp_path: Path, model: Model, stride: OutputStride) -> None:
    weights = read_checkpoint(write_checkpoint(tmp_path / "w", model))
    v = {k.removeprefix("MobilenetV1/"): a for k, a in weights.arrays().items()}
    image = picture(65, 97)
    x = image[0]
    for block in blocks(weights.model, stride):
        name = f"Conv2d_{block.index}"
        if block.index == 0:
            x = conv_same(x, v[f"{name}/weights"], v[f"{name}/biases"], block.stride, block.dilation)
            continue
        kernel, bias = v[f"{name}_depthwise/depthwise_weights"], v[f"{name}_depthwise/biases"]
        x = conv_same(x, kernel, bias, block.stride, block.dilation)
        kernel, bias = v[f"{name}_pointwise/weights"][0, 0], v[f"{name}_pointwise/biases"]
        x = np.clip(np.einsum("chw,co->ohw", x, kernel.astype(np.float64)) + bias[:, None, None], 0, 6)
    assert x.std() > 0.05  # the random weights do carry the picture to the end
    found = run(weights, stride, image)
    for head, n in HEADS.items():
        want = np.einsum("chw,co->ohw", x, v[f"{head}_2/weights"][0, 0].astype(np.float64))
        want += v[f"{head}_2/biases"][:, None, None]
        if head == "heatmap":
            want = 1 / (1 + np.exp(-want))
        assert found[head].shape == want.shape == (n, 64 // stride + 1, 96 // stride + 1)
        np.testing.assert_allclose(found[head], want, rtol=1e-4, atol=1e-4, err_msg=head)


@pytest.mark.parametrize(("model", "fine", "coarse"), [("0.75", 8, 16), ("1.0", 8, 16), ("1.0", 16, 32)])
def test_a_finer_stride_holds_the_coarser_one(
    tmp_path: Path, model: Model, fine: OutputStride, coarse: OutputStride
) -> None:
    """À trous: every second cell of the denser output is the cell of the strided network."""
    weights = read_checkpoint(write_checkpoint(tmp_path / "w", model))
    image = picture(97, 129)
    dense, strided = run(weights, fine, image), run(weights, coarse, image)
    for head in HEADS:
        assert dense[head].shape[1] == 2 * strided[head].shape[1] - 1
        np.testing.assert_allclose(dense[head][:, ::2, ::2], strided[head], rtol=1e-4, atol=1e-4)


def test_strides_that_a_model_has() -> None:
    assert [largest_stride(m) for m in MODELS] == [16, 16, 32]
    with pytest.raises(ValueError, match=r"MobileNet 0\.75 has strides up to 16"):
        blocks("0.75", 32)


def test_the_file_is_the_same_each_time_and_named_after_the_weights(tmp_path: Path) -> None:
    one = read_checkpoint(write_checkpoint(tmp_path / "one", "0.50", seed=1))
    two = read_checkpoint(write_checkpoint(tmp_path / "two", "0.50", seed=2))
    assert build(one) == build(one)
    assert one.sha256 != two.sha256
    assert one.sha256 in cached_file(one).name
    assert len({cached_file(one), cached_file(two), cached_file(one, 8)}) == 3


def test_the_cached_file_is_used_and_a_damaged_one_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = read_checkpoint(write_checkpoint(tmp_path / "w", "0.50"))
    image = picture(33, 33)
    first = run(weights, 16, image)
    path = cached_file(weights)
    whole = path.read_bytes()
    beside = path.with_name(f"{path.name}.sha256")
    assert {p.name for p in path.parent.iterdir()} == {path.name, beside.name}  # nothing half-written is left

    monkeypatch.setattr("stages.pose.network.build", lambda *_: pytest.fail("built although cached"))
    again = run(weights, 16, image)
    assert all(np.array_equal(first[h], again[h]) for h in HEADS)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    digest = beside.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 8 * 4 + 3] ^= 0x40  # the exponent of a weight: onnxruntime would take it
    for model, said in (
        (whole[: len(whole) // 2], digest),
        (bytes(flipped), digest),
        (whole, b"0" + digest[1:]),
        (whole, b""),
    ):
        path.write_bytes(model)
        beside.write_bytes(said)
        repaired = run(weights, 16, image)
        assert all(np.array_equal(first[h], repaired[h]) for h in HEADS)
        assert (path.read_bytes(), beside.read_bytes()) == (whole, digest)


@pytest.mark.parametrize("which", ["folder", "above", "file"])
def test_a_cache_that_others_can_change_is_refused_until_the_remedy_is_followed(
    tmp_path: Path, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = read_checkpoint(write_checkpoint(tmp_path / "w", "0.50"))
    image = picture(33, 33)
    first = run(weights, 16, image)
    path = cached_file(weights)
    place = {"folder": path.parent, "above": path.parent.parent, "file": path}[which]
    place.chmod(0o777)
    with pytest.raises(StageError, match=r"others can write to .* \(mode 777\)") as refused:
        run(weights, 16, image)
    mend, remove = re.findall("`(.*?)`", str(refused.value))
    with monkeypatch.context() as elsewhere:
        variable, _ = Says("set {} to a folder of your own{}").of(str(refused.value))
        elsewhere.setenv(variable, str(tmp_path / "own"))
        assert all(np.array_equal(first[h], heads) for h, heads in run(weights, 16, image).items())
    for command in (mend, remove):
        subprocess.run(command, shell=True, check=True)
    assert not path.exists()
    again = run(weights, 16, image)
    assert all(np.array_equal(first[h], again[h]) for h in HEADS)


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = read_checkpoint(write_checkpoint(tmp_path / "w", "0.50"))
    (tmp_path / "file").write_text("a file where the cache folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert run(weights, 16, picture(33, 33))["heatmap"].shape == (17, 3, 3)


def test_variables_are_found_by_the_manifest_not_by_file_name(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "w", "0.50")
    before = read_checkpoint(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    for i, entry in enumerate(manifest.values()):
        (folder / entry["filename"]).rename(folder / f"{i}.bin")
        entry["filename"] = f"{i}.bin"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    after = read_checkpoint(folder)
    assert after.sha256 == before.sha256
    assert build(after) == build(Weights(folder, after.model, after.sha256, after.files))
