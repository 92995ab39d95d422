"""Video clips of labelled table-tennis strokes."""
