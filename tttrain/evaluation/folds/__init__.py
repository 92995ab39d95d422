"""Cross-validation by group: every match, source or video is tested by networks that never saw it."""
