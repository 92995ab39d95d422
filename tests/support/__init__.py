"""Helpers that several tests share."""

from pathlib import Path

#: of the repository
ROOT = Path(__file__).resolve().parents[2]
