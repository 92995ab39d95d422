"""Trained networks put to use: classification, detection, comparison, robustness."""
