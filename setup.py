"""Builds the compiled part; everything else stands in pyproject.toml."""

from setuptools import setup

setup()
