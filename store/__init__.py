"""The HDF5 feature store: atomic, checksummed, self-describing files, named by content.

Knows files, arrays and keys; nothing of stages or videos' meaning. See docs/store-format.md.
"""

from store.errors import DamagedError, LockedError, NoStoreError, StoreError
from store.feature import Column, FeatureReader, FeatureWriter
from store.layout import Layout
from store.receipt import Receipt, sha256_file
from store.store import Slot, Store, writing_file

__all__ = [
    "Column",
    "DamagedError",
    "FeatureReader",
    "FeatureWriter",
    "Layout",
    "LockedError",
    "NoStoreError",
    "Receipt",
    "Slot",
    "Store",
    "StoreError",
    "sha256_file",
    "writing_file",
]
