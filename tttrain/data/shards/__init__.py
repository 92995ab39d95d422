"""Datasets whose pixels lie in files of their own beside the ``.h5`` (docs/dataset-format.md, Shards)."""
