"""Flags of videos and samples, from the measures in the store and the limits of the manifest."""
