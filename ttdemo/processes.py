"""Rendering in several processes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TypeVar

import cv2

Job = TypeVar("Job")
Made = TypeVar("Made")


def render_all(
    render: Callable[[Job], Made], jobs: Sequence[Job], workers: int
) -> Iterator[tuple[int, Made]]:
    """Render all jobs; yield the number of each job and its result, as soon as it is done.

    Parameters
    ----------
    render : callable
        A function of a module, so that other processes can find it.
    jobs : sequence
        The arguments of its calls.
    workers : int
        Number of processes. With one, or for a single job, no process is started and order is kept.
    """
    if workers <= 1 or len(jobs) == 1:
        for number, job in enumerate(jobs):
            yield number, render(job)
        return
    # spawned, not forked: the caller may hold HDF5 files and threads that a fork would corrupt
    with ProcessPoolExecutor(
        min(workers, len(jobs)), mp_context=get_context("spawn"), initializer=_begin
    ) as pool:
        # blocked in what is started until it says how it ends: it would print where ^C met its imports
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            futures = {pool.submit(render, job): number for number, job in enumerate(jobs)}
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _begin() -> None:
    """Let ^C, which a terminal sends to all processes, end this one without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    cv2.setNumThreads(1)
