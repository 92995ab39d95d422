"""The loss: cross-entropy, and the hits that go with it.

Each classifier of a late fusion is trained on its own loss, so their weights are those of separate trainings
[SSTC §V].
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from tttrain.models.outputs import by_classifier, probabilities


def sum_of_losses(logits: Tensor, labels: Tensor, kind: str = "cross-entropy") -> Tensor:
    """Return the cross-entropy, summed over samples and classifiers.

    ``softmax`` takes the softmax of the logits first, and that of the cross-entropy after it, as the authors'
    published code does: its values lie between ln(1 + (C−1)/e) and ln(e + C−1), for 21 classes 2.12 and 3.12,
    and the gradient vanishes where the network is sure, be it right or wrong.

    Parameters
    ----------
    logits : (N, C) or (N, K, C) float
    labels : (N,) int64
    kind : {"cross-entropy", "softmax"}

    Returns
    -------
    () float32
    """
    heads = by_classifier(logits).float()
    if kind == "softmax":
        heads = functional.softmax(heads, dim=-1)
    repeated = labels[:, None].expand(heads.shape[:2]).reshape(-1)
    return functional.cross_entropy(heads.flatten(0, 1), repeated, reduction="sum")


def loss_and_hits(
    logits: Tensor, labels: Tensor, windows: int = 1, kind: str = "cross-entropy"
) -> tuple[Tensor, Tensor]:
    """Return the loss of a batch, summed over its samples, and how many of them are classified correctly.

    Parameters
    ----------
    logits : (N·windows, C) or (N·windows, K, C) float
    labels : (N,) int64
    windows : int
        Windows (test samples) per sample. The loss is averaged over them; their scores decide together.
    kind : {"cross-entropy", "softmax"}

    Returns
    -------
    (() float32, () int64)
        The loss carries gradients, the hits do not.
    """
    loss = sum_of_losses(logits, labels.repeat_interleave(windows), kind) / windows
    scores = probabilities(logits.detach()).view(len(labels), windows, -1).mean(dim=1)
    return loss, (scores.argmax(dim=1) == labels).sum()


def step_loss(loss: Tensor, samples: int, processes: int = 1) -> Tensor:
    """Scale the summed loss of a micro-batch so that the gradients of a step are those of its mean loss.

    Parameters
    ----------
    loss : () float32
        Sum over the samples of the micro-batch.
    samples : int
        Samples of the whole step, over all micro-batches and processes.
    processes : int
        Gradients are averaged over them.
    """
    return loss * (processes / samples)
