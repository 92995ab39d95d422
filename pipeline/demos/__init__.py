"""What ``ttprep demo`` does: render clips or trials with a manifest, run it, show the results."""
