"""Deal samples to folds, a group at a time, and show the dataset as one fold has it split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tttrain.data.dataset_file import Array, DatasetInfo, samples_digest
from tttrain.errors import USAGE, TrainError
from tttrain.training.config import NO_VALIDATION

By = Literal["group", "video"]
#: names of the splits that a fold makes
TRAIN, VALIDATION, TEST = "train", "validation", "test"
#: weight of the balance of the whole relative to that of one class
_WHOLE = 0.2


def groups_of(info: DatasetInfo, by: By) -> Array:
    """Return the group of each sample.

    Parameters
    ----------
    info : DatasetInfo
    by : {"group", "video"}
        The column ``group`` of ``/videos``, or the video itself.

    Returns
    -------
    (S,) str

    Raises
    ------
    TrainError
        A video with samples has no group.
    """
    if by == "video":
        # the players of one video are two rows with the same bytes: they share the scene
        _, first, same = np.unique(info.videos.sha256, return_index=True, return_inverse=True)
        return np.asarray(info.videos.name[first[same][info.samples.video]])
    groups = np.asarray(info.videos.group[info.samples.video])
    bare = np.unique(info.samples.video[(groups == "") & (info.samples.label >= 0)])
    if len(bare):
        raise TrainError(
            f"{info.path}: {info.videos.name[bare[0]]} and {len(bare) - 1} more videos have no group; name "
            "one in the manifest (`group`, or a column of the labels) and export again, or take --by video",
            USAGE,
        )
    return groups


def deal(label: Array, groups: Array, folds: int) -> list[list[str]]:
    """Deal groups to folds so that each class is spread as evenly as it can be.

    Large groups come first; each goes where its classes, and to a lesser degree the whole, lack most. The
    result depends on the samples alone.

    Parameters
    ----------
    label : (S,) int
        Samples without a class, −1, are left out.
    groups : (S,) str
    folds : int
        0: a fold for every group.

    Returns
    -------
    list of list of str
        The groups of each fold, none empty.

    Raises
    ------
    TrainError
        Fewer than two folds, or more than there are groups.
    """
    label, groups = label[label >= 0], groups[label >= 0]
    names = np.unique(groups)
    count = folds or len(names)
    if not 2 <= count <= len(names):
        raise TrainError(
            f"{len(names)} groups cannot make {count} folds; take 2 to {len(names)}, or 0 for one each", USAGE
        )
    classes = int(label.max()) + 1
    counts = {n: np.bincount(label[groups == n], minlength=classes).astype(float) for n in names.tolist()}
    held = np.zeros((count, classes))
    dealt: list[list[str]] = [[] for _ in range(count)]
    for name in sorted(counts, key=lambda n: (-counts[n].sum(), n)):
        mine = counts[name]
        due = (held.sum(axis=0) + mine) / count
        lack = (due - held) @ mine + _WHOLE * mine.sum() * (due.sum() - held.sum(axis=1))
        left = sum(not fold for fold in dealt)
        unused = len(names) - sum(map(len, dealt))
        usable = [i for i in range(count) if not dealt[i]] if unused <= left else list(range(count))
        place = max(usable, key=lambda i: lack[i])
        held[place] += mine
        dealt[place].append(name)
    return dealt


def as_fold(
    info: DatasetInfo, groups: Array, test: Sequence[str], validation: Sequence[str] = ()
) -> DatasetInfo:
    """Return the dataset split as one fold has it: what is neither tested nor validated on is trained on.

    Parameters
    ----------
    info : DatasetInfo
    groups : (S,) str
    test, validation : sequence of str
        Groups.
    """
    split: NDArray[np.str_] = np.full(len(groups), TRAIN, dtype="<U10")
    split[np.isin(groups, list(validation))] = VALIDATION
    split[np.isin(groups, list(test))] = TEST
    samples = replace(info.samples, split=split)
    return replace(
        info,
        samples=samples,
        splits=(TRAIN, VALIDATION, TEST),
        samples_digest=samples_digest(samples, info.classes),
    )


def folds_of(
    info: DatasetInfo, groups: Array, dealt: Sequence[Sequence[str]], *, validation: str
) -> list[DatasetInfo]:
    """Return the dataset as each fold splits it; the next fold validates, unless nothing does."""
    following = [*dealt[1:], dealt[0]]
    return [
        as_fold(info, groups, test, () if validation == NO_VALIDATION else nxt)
        for test, nxt in zip(dealt, following, strict=True)
    ]
