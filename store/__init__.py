"""The HDF5 feature store: atomic, checksummed, self-describing files."""
