"""What the pages show of each video: gathered once, kept while the results are the same."""
