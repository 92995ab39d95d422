"""Export a store as one dataset file that reads with h5py alone; see docs/dataset-format.md."""

from __future__ import annotations

from pipeline.dataset.exporting import Exported, export

__all__ = ["Exported", "export"]
