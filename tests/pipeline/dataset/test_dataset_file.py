"""The dataset file: right in every array, read with h5py and hdf5plugin alone."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
from numpy.typing import NDArray

from pipeline.annotations import Action, Sample, Taxonomy
from pipeline.dataset.content import frame_labels
from pipeline.inputs.manifest import Manifest
from store import FeatureReader, Store
from tests.pipeline.dataset.conftest import ACTIONS
from tests.support.projects import CROP, SIZE, T, export_here, manifest_in, run_here, write_video


def frames_of(manifest: Manifest, name: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Frames, flow and ROI of one video, as the store holds them."""
    store = Store.open(manifest.resolve(manifest.store))
    sha = hashlib.sha256((manifest.folder / "videos" / f"{name}.mp4").read_bytes()).hexdigest()
    out = {}
    for receipt in store.receipts(sha):
        if receipt.stage in ("frames", "flow", "roi"):
            path = store.folder(sha) / f"{receipt.stage}-{receipt.key[:16]}.h5"
            with FeatureReader(path) as reader:
                out[receipt.stage] = reader.read(
                    {"frames": "rgb", "flow": "flow", "roi": "centre"}[receipt.stage]
                )
    return out["frames"], out["flow"], out["roi"]


def table(file: h5py.File, group: str) -> dict[str, list[Any]]:
    return {
        k: (d.asstr()[()].tolist() if h5py.check_string_dtype(d.dtype) else d[()].tolist())
        for k, d in file[group].items()
    }


def test_samples_are_the_annotated_strokes(dataset: Path) -> None:
    with h5py.File(dataset) as file:
        samples, videos = table(file, "samples"), table(file, "videos")
        names = [videos["name"][v] for v in samples["video"]]
        found = list(zip(names, samples["begin"], samples["end"], samples["label_name"], strict=True))
        classes = json.loads(file.attrs["classes"])
        by_label = [classes[i] for i in samples["label"]]
    strokes = [(f"videos/{v}.mp4", *a) for v in ("long", "short") for a in ACTIONS[v]]
    assert [f for f in found if f[3] != "Negative"] == strokes
    # between two strokes, and 10 frames into either: 25-10 to 40+10, 46-10 to 45+10
    gaps = [(begin, end) for _, begin, end, name in found if name == "Negative"]
    assert gaps == [(15, 50), (36, 55)]
    assert by_label == [f[3] for f in found]
    assert videos["n_frames"] == [70, 30, 12]
    assert [Path(n).name for n in videos["name"]] == ["long.mp4", "none.mp4", "short.mp4"]


def test_pixels_are_the_frames_around_the_roi(dataset: Path, made: Manifest) -> None:
    with h5py.File(dataset) as file:
        samples, videos = table(file, "samples"), table(file, "videos")
        scale = file["cuboids/flow"].attrs["scale"]
        window = tuple(file.attrs["window"])
        for i, (first, rows) in enumerate(zip(samples["first"], samples["rows"], strict=True)):
            name = Path(videos["name"][samples["video"][i]]).stem
            rgb, flow, roi = frames_of(made, name)
            part = slice(first, first + rows)
            numbers = file["cuboids/frame"][part]
            begin, end = samples["begin"][i], samples["end"][i]
            assert rows >= T
            assert set(range(begin, end)) <= set(numbers.tolist())
            np.testing.assert_array_equal(file["cuboids/roi"][part], roi[numbers])
            for row, t in zip(range(first, first + rows), numbers.tolist(), strict=True):
                x, y = file["cuboids/window"][row]
                expected = rgb[t, y : y + window[1], x : x + window[0]]
                np.testing.assert_array_equal(file["cuboids/rgb"][row], expected)
                repeated = row > first and numbers[row - first - 1] == t
                motion = np.zeros((window[1], window[0], 2), np.int16)
                if t < len(flow) and not repeated:
                    motion = flow[t, y : y + window[1], x : x + window[0]]
                np.testing.assert_array_equal(file["cuboids/flow"][row], motion)
    assert scale == 1 / 64


def test_a_video_shorter_than_t_repeats_its_last_frame(dataset: Path) -> None:
    with h5py.File(dataset) as file:
        samples, videos = table(file, "samples"), table(file, "videos")
        i = next(i for i, v in enumerate(samples["video"]) if "short" in videos["name"][v])
        part = slice(samples["first"][i], samples["first"][i] + samples["rows"][i])
        assert file["cuboids/frame"][part].tolist() == [*range(12), 11, 11, 11, 11]
        rgb, flow = file["cuboids/rgb"][part], file["cuboids/flow"][part]
    assert (rgb[11:] == rgb[11]).all()
    assert not flow[11:].any()


def test_the_file_explains_itself(dataset: Path) -> None:
    with h5py.File(dataset) as file:
        attrs = dict(file.attrs)
        for group in ("cuboids", "untrimmed"):
            for name, data in file[group].items():
                assert {"axes", "units", "scale", "description"} <= set(data.attrs), f"{group}/{name}"
                assert len(data.attrs["axes"]) == data.ndim
    assert (attrs["format"], attrs["format_version"]) == ("ttprep-dataset", 1)
    assert tuple(attrs["frame_size"]) == SIZE
    assert tuple(attrs["crop"]) == (CROP, CROP)
    assert attrs["length"] == T
    assert json.loads(attrs["modalities"]) == ["rgb", "flow"]
    assert json.loads(attrs["augmentation"]) == {"rotation": 10.0, "translation": 0.1, "zoom": 0.1}
    assert json.loads(attrs["splits"]) == ["train", "validation", "test"]
    assert len(json.loads(attrs["joints"])) == 14
    assert json.loads(attrs["parameters"])["stages"]["cuboids"]["length"] == T
    assert json.loads(attrs["provenance"])["h5py"] == h5py.__version__
    text = json.dumps({k: str(v) for k, v in attrs.items()})
    assert str(dataset.parent) not in text, "a path of this machine is in the file"


def test_videos_are_named_without_places_of_this_machine(made: Manifest, tmp_path: Path) -> None:
    elsewhere = write_video(tmp_path / "elsewhere" / "far.mp4", 20, seed=7)
    shutil.copytree(made.folder, tmp_path / "p")
    manifest = manifest_in(tmp_path / "p", videos=["videos", str(elsewhere)], untrimmed=True)
    run_here(manifest)
    export_here(manifest, tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5") as file:
        names = file["videos/name"].asstr()[()].tolist()
    assert names == ["far.mp4", "videos/long.mp4", "videos/none.mp4", "videos/short.mp4"]
    assert str(tmp_path).encode() not in (tmp_path / "d.h5").read_bytes()


def test_every_taxonomy_is_a_view_of_the_same_samples(made: Manifest, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "p")
    taxonomies = [{"name": "ways", "classes": {"Vertical": ["Up", "Down"], "Other": ["Across"]}}]
    manifest = manifest_in(tmp_path / "p", taxonomies=taxonomies)
    export_here(manifest, tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5") as file:
        names = file["samples/label_name"].asstr()[()].tolist()
        ways = file["taxonomies/ways"]
        classes = [*json.loads(ways.attrs["classes"]), None]
        assert {n: classes[i] for n, i in zip(names, ways["label"][()], strict=True)} == {
            "Up": "Vertical", "Down": "Vertical", "Across": "Other", "Negative": None,
        }  # fmt: skip
        detection = file["taxonomies/detection"]
        classes = json.loads(detection.attrs["classes"])
        assert {
            classes[i] for n, i in zip(names, detection["label"][()], strict=True) if n != "Negative"
        } == {"Stroke"}


def test_untrimmed_videos_and_their_frame_labels(dataset: Path, made: Manifest) -> None:
    with h5py.File(dataset) as file:
        videos = table(file, "videos")
        classes = json.loads(file.attrs["classes"])
        for name, first, rows in zip(videos["name"], videos["first"], videos["rows"], strict=True):
            rgb, flow, roi = frames_of(made, Path(name).stem)
            assert rows == len(rgb)
            part = slice(first, first + rows)
            np.testing.assert_array_equal(file["untrimmed/roi"][part], roi)
            for t, (x, y) in enumerate(file["untrimmed/window"][part]):
                box = (slice(y, y + CROP), slice(x, x + CROP))
                np.testing.assert_array_equal(file["untrimmed/rgb"][first + t], rgb[t][box])
                expected = flow[t][box] if t < len(flow) else np.zeros((CROP, CROP, 2), np.int16)
                np.testing.assert_array_equal(file["untrimmed/flow"][first + t], expected)
            labels = file["untrimmed/label"][part]
            if "none" in name:
                assert set(labels.tolist()) == {-1}
                continue
            expected = np.full(rows, classes.index("Negative"))
            for begin, end, move in ACTIONS[Path(name).stem]:
                expected[begin:end] = classes.index(move)
            np.testing.assert_array_equal(labels, expected)


def test_frames_that_nobody_can_name_have_no_label() -> None:
    view = Taxonomy(name="v", classes={"Up": ("Up",), "Negative": ("Negative",)})
    samples = [Sample("s:2-6", "v", 2, 6, "Up")]
    actions = [
        Action("v", 2, 6, "Up", True, ()),
        Action("v", 8, 11, None, False, ()),
        Action("v", 13, 15, "Down", True, ()),
    ]
    expected = [1, 1, 0, 0, 0, 0, 1, 1, -1, -1, -1, 1, 1, -1, -1, 1]
    assert frame_labels(16, samples, actions, view).tolist() == expected
    without = Taxonomy(name="w", classes={"Up": ("Up",)})
    assert set(frame_labels(16, samples, actions, without).tolist()) == {-1, 0}
    assert set(frame_labels(5, [], [], view).tolist()) == {-1}


def test_statistics_of_all_and_of_training_videos(dataset: Path, made: Manifest) -> None:
    with h5py.File(dataset) as file:
        found, samples, videos = file["statistics"].attrs, table(file, "samples"), table(file, "videos")
        maxima = {}
        for name in videos["name"]:
            flow = frames_of(made, Path(name).stem)[1].astype(np.float64) / 64
            maxima[name] = np.abs(flow).max(axis=(1, 2))
        every = np.concatenate(list(maxima.values()))
        np.testing.assert_allclose(found["flow_mean"], every.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(found["flow_std"], every.std(axis=0), rtol=1e-6)
        divisor = every.mean(axis=0) + 3 * every.std(axis=0)
        np.testing.assert_allclose(found["flow_divisor"], divisor, rtol=1e-6)
        train = {v for v, s in zip(samples["video"], samples["split"], strict=True) if s == 0}
        some = np.concatenate([maxima[videos["name"][v]] for v in sorted(train)])
        divisor = some.mean(axis=0) + 3 * some.std(axis=0)
        np.testing.assert_allclose(found["flow_divisor_train"], divisor, rtol=1e-6)


def test_a_compact_file_holds_the_same(dataset: Path, made: Manifest, tmp_path: Path) -> None:
    done = export_here(made, tmp_path / "c.h5", compact=True)
    assert done.size < dataset.stat().st_size
    with h5py.File(dataset) as fast, h5py.File(tmp_path / "c.h5") as compact:

        def same(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                np.testing.assert_array_equal(item[()], compact[name][()], err_msg=name)

        fast.visititems(same)
        for name in ("rgb", "flow"):
            assert fast[f"cuboids/{name}"].chunks is None
            assert compact[f"cuboids/{name}"].chunks is not None


def test_reads_without_anything_of_ttprep(dataset: Path) -> None:
    script = (
        "import sys, h5py, hdf5plugin\n"
        "f = h5py.File(sys.argv[1])\n"
        "total = sum(int(d[()].astype('int64').sum()) for g in ('cuboids', 'untrimmed')"
        " for d in (f[g]['rgb'], f[g]['flow']))\n"
        "assert not any(m.split('.')[0] in ('pipeline', 'stages', 'store') for m in sys.modules)\n"
        "print(total)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, str(dataset)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def test_modalities_that_are_off_have_no_dataset(made: Manifest, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "p")
    manifest = manifest_in(tmp_path / "p", modalities=["rgb"])
    run_here(manifest)
    export_here(manifest, tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5") as file:
        assert sorted(file["cuboids"]) == ["frame", "rgb", "roi", "window"]
        assert "statistics" not in file
        assert "untrimmed" not in file
        assert set(file["videos/first"][()].tolist()) == {-1}


def test_what_lies_in_one_piece_can_be_mapped(dataset: Path) -> None:
    with h5py.File(dataset) as file:
        for name in ("rgb", "flow"):
            data = file[f"cuboids/{name}"]
            mapped = np.memmap(dataset, data.dtype, "r", data.id.get_offset(), data.shape)
            np.testing.assert_array_equal(mapped, data[()])


def test_the_training_package_reads_it(dataset: Path) -> None:
    from tttrain.data.dataset_file import Reader, read_info

    info = read_info(dataset)
    with h5py.File(dataset) as file:
        assert info.samples.id.tolist() == file["samples/id"].asstr()[()].tolist()
        assert info.flow_divisor == tuple(file["statistics"].attrs["flow_divisor"])
        assert info.window == tuple(file.attrs["window"])
        np.testing.assert_array_equal(info.untrimmed_label, file["untrimmed/label"][()])
        first = int(info.samples.first[1])
        np.testing.assert_array_equal(
            Reader(dataset).rows("cuboids/rgb", first, T), file["cuboids/rgb"][first : first + T]
        )
    assert read_info(dataset, "detection").samples.label.min() >= 0
