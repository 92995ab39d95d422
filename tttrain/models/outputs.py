"""What models return, and the class scores that follow from it.

A model returns logits (N, C); a model of several classifiers that decide together (late fusion)
returns (N, K, C). Their class scores are added up [SSTC §V].
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def probabilities(logits: Tensor) -> Tensor:
    """Return class scores: softmax, averaged over classifiers.

    Parameters
    ----------
    logits : (N, C) or (N, K, C) float

    Returns
    -------
    (N, C) float32
        Rows sum to 1.
    """
    return functional.softmax(by_classifier(logits).float(), dim=-1).mean(dim=1)


def by_classifier(logits: Tensor) -> Tensor:
    """Give logits of a single classifier an axis of one: (N, C) or (N, K, C) → (N, K, C)."""
    return logits[:, None] if logits.dim() == 2 else logits
