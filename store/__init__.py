"""The HDF5 feature store: atomic, checksummed, self-describing files, named by content.

The store knows files, arrays and keys, and nothing of what stages or videos mean. See docs/store-format.md.
"""

from store.errors import DamagedError, ForeignError, LockedError, NoStoreError, StoreError
from store.feature import Column, FeatureReader, FeatureWriter
from store.layout import Layout
from store.look import Look
from store.receipt import Receipt, sha256_file
from store.store import Slot, Store

__all__ = [
    "Column",
    "DamagedError",
    "FeatureReader",
    "FeatureWriter",
    "ForeignError",
    "Layout",
    "LockedError",
    "Look",
    "NoStoreError",
    "Receipt",
    "Slot",
    "Store",
    "StoreError",
    "sha256_file",
]
