"""Training from a ttprep dataset file; needs h5py and torch, nothing else of ttprep."""
