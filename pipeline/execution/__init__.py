"""Doing it: jobs, where they run, the files that they write."""
