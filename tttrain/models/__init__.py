"""The networks of the papers (method.md §10), by name: see :mod:`tttrain.models.registry`."""

from tttrain.models.registry import build, get_spec, specs
from tttrain.models.spec import InputShape, ModelSpec

__all__ = ["InputShape", "ModelSpec", "build", "get_spec", "specs"]
