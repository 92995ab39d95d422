"""The command ``ttprep``: one module a command, shared options, tables."""
