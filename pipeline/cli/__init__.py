"""The command ``ttprep``: one module per command, the shared options, tables."""
