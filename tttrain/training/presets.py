"""Presets: all settings of a paper's experiment under one name, for ``tttrain fit --preset``.

What a paper does not print is that of the paper it builds on, and named in ``reading``. The longest
gradient (``clip``) and the form of the loss are ours and no part of a preset
(docs/training.md, "Why they learn").
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tttrain.errors import USAGE, TrainError


@dataclass(frozen=True)
class Preset:
    """One published experiment.

    Attributes
    ----------
    model : str
    options : mapping
        Of the model.
    settings : mapping
        Fields of :class:`tttrain.training.config.RunConfig`; for the last two, those of the model itself
        (``ModelSpec.settings``) come first.
    source : str
        Paper and section.
    reading : str
        What the paper leaves open, and what stands there.
    """

    model: str
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    source: str
    reading: str


#: [SSTC] §IV-B, C, D
_SIAMESE = {
    "size": (120, 120), "length": 100, "every": 1, "pixels": "unit",
    "optimizer": "sgd", "schedule": "siamese", "lr": 0.001, "momentum": 0.5, "weight_decay": 0.005,
    "batch": 10, "accumulate": 1, "epochs": 2000,
    "augment": True, "augmentation": "roi", "flip": False, "sampling": "siamese",
}  # fmt: skip
#: [ATT] §IV-C; the same in [3S] §2.7
_WARM_RESTART = {
    "schedule": "warm-restart", "lr": 0.01, "lr_min": 1e-5, "patience": 50, "recent": 25, "before": 35,
    "drop": 0.7,
}  # fmt: skip

PRESETS: Mapping[str, Preset] = {
    "siamese": Preset(
        "siamese", {"attention": 0}, _SIAMESE, "[SSTC] §IV",
        "nothing; momentum falls to 0.1 and 0.05 from epochs 1000 and 1500 on (--schedule siamese)",
    ),
    "attention-twin": Preset(
        "twin", {"attention": 3, "fusion": "bilinear"},
        {**_SIAMESE, **_WARM_RESTART, "batch": 5, "epochs": 1000}, "[ATT] §IV",
        "momentum, weight decay and augmentation are those of [SSTC], to which it refers for details",
    ),
    "three-stream": Preset(
        "three-stream", {"attention": 3, "pose_attention": 0},
        {**_SIAMESE, **_WARM_RESTART, "weight_decay": 0.05, "batch": 5, "epochs": 1500, "flip": True,
         "sampling": "normal"},
        "[3S] §2.6, 2.7, 3",
        "attention on RGB and flow, its best at detection; --option pose_attention=3 for all three",
    ),
    "i3d": Preset(
        "i3d", {"first_pool": False, "dropout": 0.5},
        {**_SIAMESE, **_WARM_RESTART, "momentum": 0.9, "weight_decay": 0.0, "batch": 5, "accumulate": 2,
         "epochs": 500, "flip": True, "sampling": "normal"},
        "Carreira 2017 §3; [ATT] §IV-B",
        "I3D's paper prints momentum 0.9, random flips, and a tenth of the rate when the validation loss "
        "saturates, for which the warm restarts of [ATT] stand; no weight decay. The first rate and T = 100 "
        "are [ATT]'s, steps of ten samples [SSTC]'s, 500 epochs those of [ATT] Table II",
    ),
    "convgru": Preset(
        "2d-convgru", {}, {}, "[GRU] §IV-B", "its best network, with its best sampling method",
    ),
    "cnn-lstm": Preset(
        "cnn-lstm", {}, {}, "[LSTM] §4.1", "rate, batch, and all sizes (see the table of its settings)",
    ),
}  # fmt: skip


def get_preset(name: str) -> Preset:
    """Return the preset of a name.

    Raises
    ------
    TrainError
        There is none.
    """
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(PRESETS)}"
        raise TrainError(f"--preset: no preset {name!r}; {hint}", USAGE)
    return PRESETS[name]


def with_preset(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the settings of ``given["preset"]``, if there is one; what is given wins.

    Where another model is given, the preset's options hold as far as that model has them.

    Parameters
    ----------
    given : mapping
        Settings that were stated, with ``options`` and perhaps ``model`` and ``preset``.

    Raises
    ------
    TrainError
        No such preset, or neither a model nor a preset.
    """
    from tttrain.models.registry import get_spec  # loads torch

    name = given.get("preset")
    if name is None:
        if given.get("model") is None:
            raise TrainError(
                "neither --model nor --preset is given; `tttrain models` lists the models, the presets are: "
                f"{', '.join(PRESETS)}",
                USAGE,
            )
        return dict(given)
    preset = get_preset(name)
    model = given.get("model") or preset.model
    known = get_spec(model).options.model_fields
    options = {k: v for k, v in preset.options.items() if k in known}
    # a method of sampling has its own number of frames
    settings = {k: v for k, v in preset.settings.items() if k != "length" or not _method(given)}
    return {**settings, **given, "model": model, "options": {**options, **given.get("options", {})}}


def _method(given: Mapping[str, Any]) -> bool:
    return str(given.get("sampling", "")).startswith("method-")
