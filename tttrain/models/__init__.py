"""The networks of the papers (method.md §10), by name: see :mod:`tttrain.models.registry`."""

from tttrain.models.registry import ModelSpec, build, get_spec, specs
from tttrain.models.shape import InputShape

__all__ = ["InputShape", "ModelSpec", "build", "get_spec", "specs"]
