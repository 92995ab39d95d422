"""Settings of training that come with a model: what its own paper prescribes.

They hold where a setting is not given; the defaults of
:class:`tttrain.training.config.RunConfig` hold for all other
models. Apart from the networks, so that the command line need not load torch to know them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: [GRU] §IV-B; the sampling method is that of its best result
_CONVGRU = {
    "optimizer": "adam", "schedule": "constant", "lr": 1e-4, "weight_decay": 5e-4, "batch": 32, "epochs": 300,
    "sampling": "method-1", "augmentation": "colour", "square": 240, "pixels": "standard",
}  # fmt: skip
#: [LSTM] §4.1; rate and batch size are not printed; L2, augmentation, normalisation not mentioned
_CNN_LSTM = {
    "optimizer": "adam", "schedule": "constant", "lr": 1e-3, "weight_decay": 0.0, "batch": 16, "epochs": 50,
    "augment": False, "pixels": "standard",
}  # fmt: skip

#: model → settings
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys(("gru-alexnet", "1d-convgru", "2d-convgru", "2d-2-convgru"), _CONVGRU),
    **dict.fromkeys(("cnn-lstm", "cnn", "lstm"), _CNN_LSTM),
}
