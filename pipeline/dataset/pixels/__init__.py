"""Where the pixels of a dataset lie: in its file, or in shards beside it."""
