"""Tests of the commands about the machine: doctor, weights, completion."""
