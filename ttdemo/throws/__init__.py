"""Trials of one stroke each, played at one of nine targets."""
