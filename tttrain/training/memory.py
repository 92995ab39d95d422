"""Out of memory: which batch would fit."""

from __future__ import annotations

from collections.abc import Callable

import torch


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that the device (or this machine) has no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def largest_batch(attempt: Callable[[int], None], batch: int) -> int:
    """Find the largest batch below one that is too large, by trying.

    Parameters
    ----------
    attempt : callable
        Runs a step with this many samples; raises if memory does not suffice.
    batch : int
        Known to be too large.

    Returns
    -------
    int
        0 if not even one sample fits.
    """
    fits, fails = 0, batch
    while fails - fits > 1:
        size = (fits + fails) // 2
        if _fits(attempt, size):
            fits = size
        else:
            fails = size
    return fits


def _fits(attempt: Callable[[int], None], size: int) -> bool:
    try:
        attempt(size)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        fitted = False
    else:
        fitted = True
    # after the handler: in it, the traceback would still hold the memory of the attempt
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return fitted
