"""Export a store as one dataset file that reads with h5py alone; see docs/dataset-format.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.dataset.exporting import Exported, export

__all__ = ["Exported", "export"]


def __getattr__(name: str) -> Any:
    """Import what writes datasets only where it is used: whoever reads one does not wait a second for it."""
    if name in __all__:
        from pipeline.dataset import exporting

        return getattr(exporting, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
