"""Parameters of the flow methods and of the flow stage."""

from __future__ import annotations

from typing import Annotated, Literal

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

    alpha: Annotated[float, Field(ge=1e-6, le=1e6)] = 0.012
    ratio: Annotated[float, Field(ge=0.4, le=0.98)] = 0.75
    min_width: Annotated[int, Field(ge=4, le=8192)] = 20
    n_outer: Annotated[int, Field(ge=1, le=1000)] = 7
    n_inner: Annotated[int, Field(ge=1, le=1000)] = 1
    n_sor: Annotated[int, Field(ge=1, le=10000)] = 30


class FlowParams(IrlsParams):
    """Parameters of the flow stage.

    Attributes
    ----------
    method : {"irls", "deepflow", "tvl1", "farneback", "dis"}
        Which flow; all but ``irls`` run with their library's defaults and ignore the IRLS parameters.
    ksize : int
        Side of the Gaussian that smooths the flow before the foreground product, odd; 1 = none.
    """

    method: Method = "irls"
    ksize: Annotated[int, Field(ge=1, le=31)] = 3

    @field_validator("ksize")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("ksize is the side of a centred filter and must be odd")
        return value
