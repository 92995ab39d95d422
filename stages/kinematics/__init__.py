"""Kinematics: how a stroke moves, from the 13 joints of who plays it."""

from stages.kinematics.stage import STAGE

__all__ = ["STAGE"]
