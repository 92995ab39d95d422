"""What holds for every stage, as a test class that other distributions can run on theirs.

A stage is a pure function of rows: *any* partition of the rows into blocks gives the same bytes, and, where
it
says that it is splittable, so do ranges that are computed apart. Derive a test class:

>>> class TestMine(StageContract):  # doctest: +SKIP
...     stage = STAGE
...     info = VideoInfo(9, Fraction(120), 96, 64)
...
...     def arrays(self):
...         return {"flow.flow": ...}
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from stages.base import Array, Arrays, Block, P, Params, Result, Stage, VideoInfo

#: partitions are drawn from this seed
_SEED = 20


class StageContract:
    """Test a stage against the contract; pytest collects the classes derived from it.

    Attributes
    ----------
    stage : Stage
    params : Params or None
        None: the defaults.
    info : VideoInfo
        Of the video that :meth:`arrays` belongs to.
    """

    stage: ClassVar[Stage[Any]]
    params: ClassVar[Params | None] = None
    info: ClassVar[VideoInfo]

    def arrays(self) -> Arrays:
        """Return every input of the stage, whole: ``"<stage>.<array>"`` → array."""
        raise NotImplementedError

    def test_outputs_are_as_declared(self) -> None:
        """Names, dtypes, axes and rows are those of the declaration; inputs are not changed."""
        check_outputs(self.stage, self._params(), self.info, self.arrays())

    def test_any_partition_gives_the_same_bytes(self) -> None:
        """Blocks of one row, of two, of all, and cut at random give what the whole gives."""
        if not takes_whole(self.stage):
            check_partitions(self.stage, self._params(), self.info, self.arrays())

    def test_ranges_computed_apart_give_the_same_bytes(self) -> None:
        """Where the stage is splittable, each range may be computed by a worker of its own."""
        if self.stage.splittable or cuts_anywhere(self.stage):
            check_ranges(self.stage, self._params(), self.info, self.arrays())

    def _params(self) -> Params:
        params: Params = self.stage.params() if self.params is None else self.params
        return params


def takes_whole(stage: Stage[Any]) -> bool:
    """Tell whether a stage is handed whole samples, so that there is no partition."""
    return stage.sampling is not None and stage.sampling.whole


def cuts_anywhere(stage: Stage[Any]) -> bool:
    """Tell whether a stage runs through samples block by block."""
    return stage.sampling is not None and not stage.sampling.whole


def run_whole(stage: Stage[P], params: P, info: VideoInfo, data: Arrays) -> dict[str, Array]:
    """Run a stage on whole arrays in memory, as one block.

    Parameters
    ----------
    stage : Stage
    params : Params
    info : VideoInfo
    data : mapping
        ``"<stage>.<array>"`` → whole array.

    Returns
    -------
    dict of str to array
        All declared outputs, concatenated along their first axis.
    """
    n = info.n_frames - 1 if stage.rows == "pairs" else info.n_frames
    parts = list(stage.compute(iter([Block(0, n, 0, data)]), params, info))
    return {s.name: np.concatenate([p[s.name] for p in parts]) for s in stage.outputs}


def rows_of(stage: Stage[Any], info: VideoInfo) -> int:
    """Return the number of output rows: frames, or pairs of frames."""
    return info.n_frames - 1 if stage.rows == "pairs" else info.n_frames


def blocks(stage: Stage[Any], data: Arrays, edges: Sequence[int]) -> Iterator[Block]:
    """Yield the rows between the edges, each block with the neighbours that the stage's halo asks for."""
    before, after = stage.halo
    for start, stop in itertools.pairwise(edges):
        first = max(0, start - before)
        yield Block(start, stop, first, {name: values[first : stop + after] for name, values in data.items()})


def joined(stage: Stage[Any], parts: Iterable[Arrays]) -> Result:
    """Concatenate results along their rows."""
    parts = list(parts)
    return Result({s.name: np.concatenate([p[s.name] for p in parts]) for s in stage.outputs})


def assert_same(got: Arrays, whole: Arrays) -> None:
    """Fail where names, dtypes, shapes or bytes differ."""
    assert set(got) == set(whole), f"arrays {sorted(got)} instead of {sorted(whole)}"
    for name, values in whole.items():
        assert got[name].dtype == values.dtype, name
        assert got[name].shape == values.shape, name
        assert got[name].tobytes() == values.tobytes(), f"{name} differs with the partition"


def check_outputs(stage: Stage[Any], params: Params, info: VideoInfo, data: Arrays) -> None:
    """Fail where what a stage gives is not what it declares."""
    n = rows_of(stage, info)
    before = {name: values.tobytes() for name, values in data.items()}
    parts = list(stage.compute(iter([Block(0, n, 0, data)]), params, info))
    assert parts, "a stage gives its arrays even where they have no rows"
    declared = {spec.name for spec in stage.outputs}
    assert all(set(part) == declared for part in parts), f"results must hold {sorted(declared)}"
    out = joined(stage, parts)
    for spec in stage.outputs:
        assert out[spec.name].dtype == spec.dtype, spec.name
        assert out[spec.name].ndim == len(spec.axes), spec.name
        assert len(out[spec.name]) == (1 if spec.axes[0] == "sample" else n), spec.name
        assert spec.unknown or np.isfinite(out[spec.name]).all(), spec.name
    assert {name: values.tobytes() for name, values in data.items()} == before, "inputs are not changed"


def check_partitions(stage: Stage[Any], params: Params, info: VideoInfo, data: Arrays) -> None:
    """Fail where a partition into blocks changes a byte."""
    n, whole = rows_of(stage, info), run_whole(stage, params, info, data)
    for edges in _partitions(n):
        assert_same(joined(stage, stage.compute(blocks(stage, data, edges), params, info)), whole)


def check_ranges(stage: Stage[Any], params: Params, info: VideoInfo, data: Arrays) -> None:
    """Fail where ranges that are computed by calls of their own, last first, change a byte."""
    n, whole = rows_of(stage, info), run_whole(stage, params, info, data)
    for edges in _partitions(n):
        ranges = list(itertools.pairwise(edges))
        made = [joined(stage, stage.compute(blocks(stage, data, r), params, info)) for r in ranges[::-1]]
        assert_same(joined(stage, made[::-1]), whole)


def _partitions(n: int) -> Iterator[list[int]]:
    for size in (1, 2, max(1, n)):
        yield [*range(0, n, size), n] if n else [0, 0]
    rng = np.random.default_rng(_SEED)
    for _ in range(6 if n > 1 else 0):
        cuts = rng.choice(np.arange(1, n), size=int(rng.integers(1, n)), replace=False)
        yield [0, *sorted(int(c) for c in cuts), n]
