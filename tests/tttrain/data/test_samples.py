"""Reading samples: the same bytes in every process, the right frames, errors that help."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch

from stages import cuboids
from tests.support.dataset_writer import CLASSES, write_dataset
from tttrain.data.crop import crop_corner
from tttrain.data.dataset_file import Array, DatasetInfo, Reader, read_info
from tttrain.data.loader import EpochBatches, batches, loader, plan_epoch
from tttrain.data.samples import Clip, StrokeDataset
from tttrain.data.view import make_view
from tttrain.data.window_positions import (
    Place,
    centre_start,
    normal_start,
    sample_rng,
    siamese_sigma,
    siamese_start,
    sliding_starts,
    uniform_start,
)
from tttrain.errors import TrainError
from tttrain.training.run_folder import check_modalities

torch.set_num_threads(1)
ALL = ("rgb", "flow", "pose")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "d.h5", videos=2, strokes=6)


@pytest.fixture(scope="module")
def info(path: Path) -> DatasetInfo:
    return read_info(path)


def test_info_is_what_was_written(path: Path, info: DatasetInfo) -> None:
    assert info.classes == CLASSES
    assert info.negative == 3
    assert (info.frame_size, info.crop, info.window, info.length) == ((64, 48), (24, 24), (38, 38), 16)
    assert info.flow_scale == 1 / 64
    assert info.flow_divisor == (0.8, 0.9)
    assert info.flow_divisor_train == (1.0, 1.1)
    assert len(info.samples) == 24
    with h5py.File(path) as file:
        np.testing.assert_array_equal(info.samples.first, file["samples/first"])
        assert info.samples.id[3] == file["samples/id"].asstr()[3]
    counts = {split: len(info.rows_of(split)) for split in info.splits}
    assert sum(counts.values()) == len(info.rows_of("all")) == 24
    with pytest.raises(TrainError, match="no split 'tset'; there are: train, validation, test, all"):
        info.rows_of("tset")


def test_another_taxonomy_relabels_samples_and_frames(path: Path, info: DatasetInfo) -> None:
    other = read_info(path, "detection")
    assert other.classes == ("Negative", "Stroke")
    assert other.negative == 0
    np.testing.assert_array_equal(other.samples.label, info.samples.label != 3)
    np.testing.assert_array_equal(other.untrimmed_label, info.untrimmed_label != 3)
    assert other.samples_digest != info.samples_digest


def test_centre_window_holds_the_stored_bytes(path: Path, info: DatasetInfo) -> None:
    view = make_view(info, length=4, every=3)
    assert view.span == 12
    assert view.offsets.tolist() == [1, 4, 7, 10]
    data = StrokeDataset(info, info.rows_of("validation"), view, ALL)
    with h5py.File(path) as file:
        for i, row in enumerate(info.rows_of("validation")):
            clip = data[i]
            n = int(info.samples.rows[row])
            rows = info.samples.first[row] + (n - 12) // 2 + view.offsets
            for name in ALL:
                np.testing.assert_array_equal(clip[name], file[f"cuboids/{name}"][:][rows])
            roi, window = file["cuboids/roi"][:][rows], file["cuboids/window"][:][rows]
            np.testing.assert_array_equal(clip["corner"], np.clip(np.floor(roi - 12.0 + 0.5) - window, 0, 14))
            assert int(clip["label"]) == info.samples.label[row]
            assert int(clip["row"]) == row


def test_whole_mode_gives_all_rows_of_a_sample_and_no_filler(info: DatasetInfo) -> None:
    data = StrokeDataset(info, np.arange(len(info.samples)), make_view(info), ALL, "whole")
    for i in range(len(data)):
        clip = data[i]
        assert len(clip["rgb"]) == info.samples.rows[i]
        assert not (clip["rgb"] == 111).all(dim=(1, 2, 3)).any()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_batches_do_not_depend_on_workers_or_how_they_start(info: DatasetInfo, method: str) -> None:
    rows = info.rows_of("train")
    view = make_view(info, (12, 12), length=8, every=2)

    def all_batches(workers: int) -> list[Clip]:
        data = StrokeDataset(info, rows, view, ALL, "train", seed=7)
        order = EpochBatches(len(data), 4, seed=7)
        data[0]  # an open handle here must not harm the others
        source = loader(data, order, workers=workers, start_method=method)
        out: list[Clip] = []
        for epoch in range(2):
            order.epoch = epoch
            out += list(batches(source))
        return out

    here, there = all_batches(0), all_batches(2)
    assert len(here) == len(there) == 2 * len(EpochBatches(len(rows), 4))
    for a, b in zip(here, there, strict=True):
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)
    half = len(here) // 2
    assert not torch.equal(here[0]["transform"], here[half]["transform"])  # another epoch, other draws


def test_a_dataset_in_memory_gives_the_same(info: DatasetInfo) -> None:
    view = make_view(info, (8, 8), length=5, every=3)
    rows = info.rows_of("train")
    plain, kept = (StrokeDataset(info, rows, view, ALL, "train", seed=1) for _ in range(2))
    kept.keep()
    assert kept.bytes == info.samples.rows[rows].sum() * 12 * 12 * 7
    for epoch, i in ((0, 0), (3, 4), (9, len(rows) - 1)):
        a, b = plain[(epoch, i)], kept[(epoch, i)]
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_pickled_data_is_small_and_opens_its_own_handle(info: DatasetInfo) -> None:
    data = StrokeDataset(info, info.rows_of("train"), make_view(info), ("rgb",))
    first = data[0]
    copy = pickle.loads(pickle.dumps(data))
    assert len(pickle.dumps(data)) < 50_000
    assert torch.equal(copy[0]["rgb"], first["rgb"])


def whole(rows: int) -> Place:
    """A stroke that fills its stored rows."""
    return Place(0, rows, rows, 120.0)


def test_starts_follow_the_normal_law_around_the_centre() -> None:
    span = 100
    starts = np.array([normal_start(sample_rng(0, epoch, 5), whole(200), span) for epoch in range(4000)])
    assert starts.min() >= 0
    assert starts.max() <= 100
    assert abs(starts.mean() - 50) < 1
    assert abs(starts.std() - 100 / 6) < 0.7  # cut at three sigma, which takes little away
    same = whole(100)
    assert normal_start(sample_rng(0, 0, 0), same, 100) == uniform_start(sample_rng(0, 0, 0), same, 100) == 0
    small = [normal_start(sample_rng(0, epoch, 1), whole(101), 100) for epoch in range(200)]
    assert set(small) == {0, 1}


def test_the_siamese_law_follows_from_the_frame_rate_alone() -> None:
    # [SSTC] IV-C by hand: wt = 241/6, (wt - 1)/2 - 1 = 18.583
    assert siamese_sigma(120) == pytest.approx(6.375)
    assert siamese_sigma(30) == pytest.approx(0.3 * ((61 / 6 - 1) * 0.5 - 1) + 0.8)
    for length in (150, 250):  # whatever the length of the stroke
        place = Place(7, length, length + 20, 120.0)
        starts = [siamese_start(sample_rng(0, epoch, 5), place, 100) for epoch in range(4000)]
        assert abs(np.mean(starts) - 7 - (length - 100) / 2) < 0.4
        assert abs(np.std(starts) - 6.375) < 0.25


@given(room=st.integers(0, 30), fps=st.floats(1, 240), seed=st.integers(0, 50))
def test_the_siamese_law_is_drawn_again_until_inside(room: int, fps: float, seed: int) -> None:
    place = Place(4, 50 + room, 60 + room, fps)
    wt = (2 * fps + 1) / 6
    sigma = 0.3 * ((wt - 1) / 2 - 1) + 0.8
    rng, found = sample_rng(seed, 0, 0), None
    while found is None:  # as the paper tells it: a window about the middle, until it lies in the stroke
        middle = 4 + (50 + room) / 2 + rng.normal(0, sigma) if room else 4 + 25.0
        start = round(middle - 25 - 4) + 4
        found = start if 4 <= start <= 4 + room else None
    assert siamese_start(sample_rng(seed, 0, 0), place, 50) == found


def test_uniform_starts_fill_the_stroke() -> None:
    starts = np.array([uniform_start(sample_rng(0, epoch, 5), whole(110), 100) for epoch in range(2200)])
    counts = np.bincount(starts, minlength=11)
    assert len(counts) == 11
    assert counts.min() > 150


def test_windows_of_a_sample() -> None:
    assert centre_start(whole(150), 100) == 25
    assert sliding_starts(whole(150), 100, 10).tolist() == [0, 10, 20, 30, 40, 50]
    assert sliding_starts(whole(109), 100, 10).tolist() == [0, 9]
    assert sliding_starts(whole(100), 100, 10).tolist() == [0]


def test_the_law_counts_the_frames_of_the_stroke_not_those_that_are_stored() -> None:
    # the stroke [110, 190) in a file of T = 100 is stored as [100, 200)
    place = Place(10, 80, 100, 120.0)
    starts = np.array([normal_start(sample_rng(0, epoch, 5), place, 64) for epoch in range(4000)])
    assert (starts.min(), starts.max()) == (10, 26)
    assert abs(starts.mean() - 18) < 0.2
    assert abs(starts.std() - 16 / 6) < 0.12
    assert {uniform_start(sample_rng(0, e, 5), place, 64) for e in range(500)} == set(range(10, 27))
    assert centre_start(place, 64) == 18
    assert sliding_starts(place, 64, 10).tolist() == [10, 20, 26]


@given(
    begin=st.integers(0, 60), n=st.integers(1, 60), behind=st.integers(0, 60),
    length=st.integers(1, 50), part=st.integers(1, 50), seed=st.integers(0, 100),
)  # fmt: skip
def test_windows_lie_where_a_search_through_the_stored_frames_finds_them(
    begin: int, n: int, behind: int, length: int, part: int, seed: int
) -> None:
    end, span = begin + n, min(part, length)
    stored = cuboids.span(begin, end, length, end + behind)
    frames = [*range(stored.begin, stored.end), *[stored.end - 1] * stored.repeat]
    place = Place(begin - frames[0], n, len(frames), 120.0)
    every = range(len(frames) - span + 1)
    # windows inside the stroke or, where none is, those that leave the least of it out and lie most evenly
    inside = [r for r in every if frames[r] >= begin and r + span <= place.begin + n]
    if not inside:

        def worth(r: int) -> tuple[int, int]:
            shown = set(range(r, r + span)) & set(range(place.begin, place.begin + n))
            return len(shown), -abs((place.begin - r) - (span - n) // 2)

        inside = [max(every, key=worth)]
    assert centre_start(place, span) == inside[(len(inside) - 1) // 2]
    for law in (normal_start, uniform_start):
        assert law(sample_rng(seed, 0, 0), place, span) in inside
    step = min(7, span)
    starts = sliding_starts(place, span, step).tolist()
    slid = [inside[0]]
    while slid[-1] + step in inside:
        slid.append(slid[-1] + step)
    assert starts == slid + [inside[-1]] * (inside[-1] != slid[-1])
    if n >= span:  # every frame of the stroke belongs to a window, and no other frame does
        shown = {row for start in starts for row in range(start, start + span)}
        assert shown == set(range(place.begin, place.begin + n))


def test_no_window_leaves_a_short_stroke(path: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.h5"
    short.write_bytes(path.read_bytes())
    with h5py.File(short, "a") as file:  # the strokes are now shorter than what is stored of them
        file["samples/begin"][:] += 3
        file["samples/end"][:] -= 4
        begin, end, first = (file[f"samples/{name}"][()] for name in ("begin", "end", "first"))
        frame, pixels = file["cuboids/frame"][()], file["cuboids/rgb"][()]
    info = read_info(short)
    view = make_view(info, length=6)
    rows = np.arange(len(begin))
    for mode in ("train", "centre"):
        data = StrokeDataset(info, rows, view, ("rgb",), mode, augmentation=None, seed=3)
        for epoch in range(20 if mode == "train" else 1):
            for i in rows:
                shown = data[epoch, int(i)]["rgb"].numpy()
                at = [
                    r for r in range(first[i], first[i] + info.samples.rows[i] - 5)
                    if (pixels[r : r + 6] == shown).all()
                ]  # fmt: skip
                assert any(begin[i] <= frame[r] and frame[r] + 6 <= end[i] for r in at)
                if mode == "centre":
                    assert any(frame[r] == begin[i] + (end[i] - begin[i] - 6) // 2 for r in at)


def test_a_stroke_outside_its_stored_frames_is_refused(path: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.h5"
    wrong.write_bytes(path.read_bytes())
    with h5py.File(wrong, "a") as file:
        file["samples/begin"][1] -= 1
    with pytest.raises(TrainError, match=r"samples/begin\[1\]: and end lie outside the sample's frames"):
        read_info(wrong)


def test_crop_lies_where_the_format_says() -> None:
    roi = np.array([[60.0, 60.0], [59.5, 90.5], [300.0, 170.0]])
    window = np.array([[0, 0], [0, 0], [134, 0]], np.int16)
    corner = crop_corner(roi, window, (186, 180), (120, 120))
    # floor(roi − crop/2 + 1/2) − window, kept inside
    assert corner.tolist() == [[0, 0], [0, 31], [66, 60]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_halves_go_up(dtype: type) -> None:
    # the corner in the frame (window 0), whatever the parity of the whole part
    roi: Array = np.array([[159.5, 160.5], [160.0, 160.25], [159.75, 161.5], [159.49, 160.49]], dtype)
    corner = crop_corner(roi, np.zeros((4, 2), np.int16), (320, 320), (120, 120))
    assert corner.tolist() == [[100, 101], [100, 100], [100, 102], [99, 100]]
    # a crop of odd sides: halves come from the size, too
    assert crop_corner(roi[1:2], np.zeros((1, 2), np.int16), (320, 320), (121, 121)).tolist() == [[100, 100]]
    # relative to a window 186 px wide that was placed by the same rule
    window = np.floor(roi[:1].astype(np.float64) - 93 + 0.5).astype(np.int16)
    assert window.tolist() == [[67, 68]]
    assert crop_corner(roi[:1], window, (186, 186), (120, 120)).tolist() == [[33, 33]]


@given(
    roi=st.floats(-50, 700, width=32),
    origin=st.integers(0, 500),
    size=st.integers(1, 200),
    room=st.integers(0, 90),
)
def test_the_corner_keeps_the_crop_inside_its_window(roi: float, origin: int, size: int, room: int) -> None:
    window, side = np.array([[origin, origin]]), size + room
    corner = int(crop_corner(np.array([[roi, roi]]), window, (side, side), (size, size))[0, 0])
    assert 0 <= corner <= room
    wanted = math.floor(Fraction(roi) - Fraction(size, 2) + Fraction(1, 2)) - origin
    assert corner == min(max(wanted, 0), room)


@pytest.mark.parametrize(
    ("n", "batch", "accumulate", "world"), [(35, 4, 1, 1), (35, 4, 2, 1), (35, 4, 1, 3), (7, 1, 1, 3)]
)
def test_every_sample_is_dealt_once_an_epoch(n: int, batch: int, accumulate: int, world: int) -> None:
    plans = [
        plan_epoch(n, batch, accumulate=accumulate, seed=2, epoch=1, rank=rank, world=world)
        for rank in range(world)
    ]
    assert len({len(plan) for plan in plans}) == 1
    dealt: list[int] = []
    for steps in zip(*plans, strict=True):
        together = [i for parts, _ in steps for part in parts for i in part]
        assert {size for _, size in steps} == {len(together)}
        assert all(parts and all(parts) for parts, _ in steps)  # nobody idles: all must take part in a step
        dealt += together
    assert sorted(dealt) == list(range(n))
    largest = max(len(part) for plan in plans for parts, _ in plan for part in parts)
    assert largest <= max(batch, -(-n // world) if batch == 1 else 0)
    assert plans[0] != plan_epoch(n, batch, accumulate=accumulate, seed=2, epoch=2, world=world)


def test_more_processes_than_samples_is_an_error() -> None:
    with pytest.raises(TrainError, match="2 samples cannot occupy 3 processes"):
        plan_epoch(2, 4, world=3)


def test_wrong_files_are_named_and_explained(tmp_path: Path, path: Path) -> None:
    text = tmp_path / "text.h5"
    text.write_text("no HDF5")
    other, newer, broken = (tmp_path / f"{name}.h5" for name in ("other", "newer", "broken"))
    with h5py.File(other, "w") as file:
        file["x"] = 1
    for copy, change in ((newer, ("format_version", 2)), (broken, None)):
        copy.write_bytes(path.read_bytes())
        with h5py.File(copy, "a") as file:
            if change:
                file.attrs[change[0]] = change[1]
            else:
                del file["samples/label"]
    for file, words in (
        (tmp_path / "none.h5", "no such file"),
        (tmp_path, "a folder"),
        (text, "cannot be read as HDF5"),
        (other, "not a ttprep-dataset"),
        (newer, "format version 2, this tttrain reads version 1"),
        (broken, "incomplete"),
    ):
        with pytest.raises(TrainError, match=words) as caught:
            read_info(file)
        assert str(file) in str(caught.value)
    with pytest.raises(TrainError, match="no taxonomy 'hands'; there are: detection, strokes"):
        read_info(path, "hands")


def test_a_missing_modality_says_what_is_there(tmp_path: Path) -> None:
    info = read_info(write_dataset(tmp_path / "d.h5", videos=1, strokes=3, modalities=("rgb", "pose")))
    check_modalities(info, "rgb-stcnn")
    with pytest.raises(TrainError, match=r"has no flow, which model twin reads \(it has: rgb, pose\)"):
        check_modalities(info, "twin")


def test_a_damaged_chunk_is_reported_from_a_worker_in_one_line(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d.h5", videos=1, strokes=3)
    info = read_info(path)
    with h5py.File(path) as file:
        at = file["cuboids/rgb"].id.get_chunk_info(2)
    content = bytearray(path.read_bytes())
    content[at.byte_offset : at.byte_offset + at.size] = b"\xff" * at.size
    path.write_bytes(content)
    data = StrokeDataset(info, np.arange(len(info.samples)), make_view(info), ("rgb",), "whole")
    with pytest.raises(TrainError, match=r"d\.h5: rows .* of cuboids/rgb cannot be read") as caught:
        list(batches(loader(data, None, workers=1)))
    assert "\n" not in str(caught.value)


def test_a_shortened_dataset_is_reported(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d.h5", videos=1, strokes=3)
    with pytest.raises(TrainError, match="cuboids/rgb ends at row"):
        Reader(path).rows("cuboids/rgb", 0, 100_000)


def test_views_that_cannot_be_are_refused(info: DatasetInfo) -> None:
    with pytest.raises(TrainError, match=r"spans 18 frames, but .* has only T = 16"):
        make_view(info, length=9, every=2)
    with pytest.raises(TrainError, match="size 25x24 is more than the crop"):
        make_view(info, (25, 24))
    assert make_view(info, every=3).length == 5
