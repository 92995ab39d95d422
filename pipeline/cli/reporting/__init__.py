"""The commands that show results in a browser."""
