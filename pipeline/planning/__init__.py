"""What there is to do, and why."""
