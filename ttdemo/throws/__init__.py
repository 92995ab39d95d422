"""Trials of throws at nine targets."""
