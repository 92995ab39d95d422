"""Parameters of the flow methods and of the flow stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from stages.base import Params

Method = Literal["irls", "deepflow", "tvl1", "farneback", "dis"]


class IrlsParams(Params):
    """Parameters of the IRLS flow; the defaults are those of the published wrapper *pyflow*.

    Attributes
    ----------
    alpha : float
        Weight of smoothness against data, for pixel values in [0, 1].
    ratio : float
        Size of a pyramid level over that of the next finer one.
    min_width : int
        The coarsest level is about this wide, in pixels.
    n_outer : int
        Outer iterations (warps) at the finest level; level k takes ``n_outer + k``.
    n_inner : int
        Updates of the robust weights within one outer iteration.
    n_sor : int
        Relaxation sweeps at the finest level; level k takes ``n_sor + 3 k``.
    """

    alpha: float = Field(0.012, ge=1e-6, le=1e6, description="weight of smoothness against data")
    ratio: float = Field(
        0.75, ge=0.4, le=0.98, description="size of a pyramid level over the next finer one's"
    )
    min_width: int = Field(20, ge=4, le=8192, description="width of the coarsest level, px")
    n_outer: int = Field(7, ge=1, le=1000, description="warps at the finest level; level k takes n_outer + k")
    n_inner: int = Field(1, ge=1, le=1000, description="updates of the robust weights within a warp")
    n_sor: int = Field(30, ge=1, le=10000, description="sweeps at the finest level; level k takes n_sor + 3k")


class FlowParams(IrlsParams):
    """Parameters of the flow stage.

    Attributes
    ----------
    method : {"irls", "deepflow", "tvl1", "farneback", "dis"}
        Which flow; all but ``irls`` run with their library's defaults and ignore the IRLS parameters.
    ksize : int
        Side of the Gaussian that smooths the flow before the foreground product, odd; 1 = none.
    """

    method: Method = Field("irls", description="irls, deepflow, tvl1, farneback or dis")
    ksize: int = Field(
        3, ge=1, le=31, description="side of the Gaussian before the foreground product; 1 = none"
    )

    @field_validator("ksize")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("ksize is the side of a centred filter and must be odd")
        return value
