"""Kinematics: how a stroke moves, from the 13 joints of who plays it."""
