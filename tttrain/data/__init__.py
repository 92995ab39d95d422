"""From the dataset file to what a network reads."""
