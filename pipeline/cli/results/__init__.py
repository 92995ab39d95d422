"""Commands that hand out single results: their paths, their tracks as tables."""
