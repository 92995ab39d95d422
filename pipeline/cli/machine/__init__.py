"""Commands about the machine rather than the videos: weights of networks, what to put into a bug report."""
