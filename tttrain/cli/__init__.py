"""The command ``tttrain``."""
