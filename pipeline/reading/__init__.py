"""Read what a store holds, beside whatever else works on it: which videos, which results, which rows."""
