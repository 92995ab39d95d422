"""What models return, and how class scores and losses are made of it.

A model returns logits (N, C); a model of several classifiers that decide together (late fusion)
returns (N, K, C). Each classifier is trained on its own loss, so their weights are those of separate
trainings; their class scores are added up [SSTC §V].
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def sum_of_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, summed over samples and classifiers.

    Parameters
    ----------
    logits : (N, C) or (N, K, C) float
    labels : (N,) int64

    Returns
    -------
    () float32
    """
    heads = _heads(logits)
    repeated = labels[:, None].expand(heads.shape[:2]).reshape(-1)
    return functional.cross_entropy(heads.float().flatten(0, 1), repeated, reduction="sum")


def probabilities(logits: Tensor) -> Tensor:
    """Class scores: softmax, averaged over classifiers.

    Parameters
    ----------
    logits : (N, C) or (N, K, C) float

    Returns
    -------
    (N, C) float32
        Rows sum to 1.
    """
    return functional.softmax(_heads(logits).float(), dim=-1).mean(dim=1)


def _heads(logits: Tensor) -> Tensor:
    return logits[:, None] if logits.dim() == 2 else logits
