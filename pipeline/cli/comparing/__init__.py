"""Commands that compare strokes."""
