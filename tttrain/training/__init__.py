"""Training: settings, schedule, loop, checkpoints, run folder."""
