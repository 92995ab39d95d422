"""What differs between movements: arrays alone, no store and no file."""
