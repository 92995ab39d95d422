"""What a user gives: the manifest, videos, trials, given joints, labels."""
