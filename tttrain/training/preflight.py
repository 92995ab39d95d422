"""Checks before a training starts, so that it does not fail, or mislead, hours later."""

from __future__ import annotations

from tttrain.data.dataset_file import DatasetInfo
from tttrain.errors import TrainError
from tttrain.training.config import RunConfig


def check_classes(info: DatasetInfo, config: RunConfig, *, allow_absent: bool = False) -> list[str]:
    """Check that every class to be recognised can be learnt, and that the law of the windows is known.

    Parameters
    ----------
    info : DatasetInfo
    config : RunConfig
    allow_absent : bool
        Accept classes that validation or test has and training has not.

    Returns
    -------
    list of str
        Notes: classes that occur nowhere, or not in training.

    Raises
    ------
    TrainError
        A split without samples, a class absent from training, or a video whose frame rate is not known
        where the windows depend on it.
    """
    train = info.rows_of(config.train_split)
    for split in (config.train_split, *([config.validation_split] if config.validates else [])):
        if not len(info.rows_of(split)):
            raise TrainError(
                f"{info.path}: split {split!r} has no sample of taxonomy {info.taxonomy}; add videos, or "
                "name other splits (--train, --validation; --validation none: without one)"
            )
    timeless = info.videos.fps[info.samples.video[train]] <= 0
    if config.sampling == "siamese" and timeless.any():
        video = info.videos.name[info.samples.video[train]][timeless][0]
        raise TrainError(
            f"{info.path}: the frame rate of {video} is not known, and --sampling siamese depends on it; "
            "take --sampling normal"
        )
    label = info.samples.label
    learnt, everywhere = set(label[train].tolist()), set(label[label >= 0].tolist())
    absent = [info.classes[i] for i in sorted(everywhere - learnt)]
    if absent and not allow_absent:
        raise TrainError(
            f"{info.path}: absent from split {config.train_split!r} but not from the others: "
            f"{', '.join(absent)}; they could never be recognised. Split anew with more samples, or take "
            "them as errors with --allow-absent"
        )
    nowhere = [name for i, name in enumerate(info.classes) if i not in everywhere]
    notes = [f"classes without any sample: {', '.join(nowhere)}"] if nowhere else []
    return notes + ([f"absent from training: {', '.join(absent)}"] if absent else [])
