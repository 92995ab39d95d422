"""The results of a video as one xarray dataset, read through Dask chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ttprep.arrays import VideoArray
from ttprep.errors import BadRequest

if TYPE_CHECKING:
    import xarray as xr

#: arrays that need no stage in front of their name
_PLAIN = {("frames", "rgb"), ("foreground", "mask"), ("flow", "flow")}
_WHOLE = ("frames", "foreground", "flow")
_NAMES = {"channel": ("red", "green", "blue"), "component": ("x", "y"), "xy": ("x", "y")}
#: axes whose names stand in the file's attributes
_NAMED_BY = {"joint": "row_names", "xy_score": "column_names", "keypoint": "keypoint_names"}


def to_dataset(
    found: Mapping[str, tuple[list[VideoArray], Mapping[str, Any]]],
    times: NDArray[np.float64],
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """Return a dataset; see :meth:`ttprep.Video.to_xarray`.

    Parameters
    ----------
    found : mapping
        Stage → its arrays, and the attributes of its file.
    times : (n,) float64
        Of the frames, s.
    attrs : mapping
        Of the dataset.
    """
    try:
        import dask.array as da
        import xarray as xr
    except ImportError as e:
        raise BadRequest(f'to_xarray needs {e.name}; `pip install "ttprep[xarray]"` installs it') from None
    variables: dict[str, Any] = {}
    coordinates: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    # whole frames come first: they say how long x and y are
    for stage, (arrays, told) in sorted(found.items(), key=lambda item: (item[0] not in _WHOLE, item[0])):
        for array in arrays:
            name = array.name if (array.stage, array.name) in _PLAIN else f"{stage}_{array.name}"
            axes = [{"pose": "person"}.get(a, a) for a in array.axes]
            for n, (axis, size) in enumerate(zip(axes, array.shape, strict=True)):
                if sizes.setdefault(axis, size) != size:
                    axes[n] = f"{stage}_{axis}"
                else:
                    coordinates |= _coordinate(axis, size, told, times)
            rows = (min(array.chunk, max(1, len(array))), *array.shape[1:])
            # named by what decides the values, so that Dask knows equal arrays
            token = f"{array.key}-{array.name}"
            data = da.from_array(array, chunks=rows, name=token, asarray=False, fancy=True)
            variables[name] = (axes, data, {"units": array.units, "description": array.description})
    return xr.Dataset(variables, coordinates, dict(attrs))


def _coordinate(axis: str, size: int, told: Mapping[str, Any], times: NDArray[np.float64]) -> dict[str, Any]:
    seconds, pixels = {"units": "s"}, {"units": "px"}
    if axis == "frame":
        return {"frame": np.arange(size), "time": ("frame", times[:size], seconds)}
    if axis == "pair":
        return {"pair": np.arange(size), "pair_time": ("pair", times[:size], seconds)}
    if axis in ("x", "y"):
        return {axis: (axis, np.arange(size), pixels)}
    names = told.get(_NAMED_BY.get(axis, ""), _NAMES.get(axis, ()))
    return {axis: (axis, list(names))} if len(names) == size else {}
