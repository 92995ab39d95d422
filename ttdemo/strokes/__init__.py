"""Clips of labelled table-tennis strokes."""
