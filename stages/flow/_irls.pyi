from numpy import float32, uint8
from numpy.typing import NDArray

def variants() -> list[str]: ...

class Workspace:
    levels: list[tuple[int, int]]
    times: dict[str, float]
    def __init__(
        self,
        width: int,
        height: int,
        channels: int,
        alpha: float,
        ratio: float,
        min_width: int,
        n_outer: int,
        n_inner: int,
        n_sor: int,
        isa: str,
    ) -> None: ...
    def push(self, pixels: NDArray[uint8] | NDArray[float32], /) -> None: ...
    def solve(self, out: NDArray[float32], /) -> None: ...
