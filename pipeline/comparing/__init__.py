"""Comparing strokes: which are meant, what differs, which are unlike the rest of their class."""
