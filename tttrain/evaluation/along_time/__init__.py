"""Apply a network to whole videos, of a dataset file or of none."""
