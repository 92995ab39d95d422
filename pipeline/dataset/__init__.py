"""From a store to a dataset that modellers open with h5py alone; see docs/dataset-format.md."""

from __future__ import annotations

from pipeline.dataset.export import Exported, export

__all__ = ["Exported", "export"]
