"""From samples to batches on the device: which, in what order, and how they get there."""
