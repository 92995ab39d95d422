"""Skeletons in space: BlazePose (GHUM), or joints lifted by a depth network.

Bazarevsky et al. 2020 (arXiv:2006.10204), Grishchenko et al. 2022 (arXiv:2206.11678); Martin et al. 2021,
figure 4, for the depth. BlazePose runs on LiteRT, which the extra ``pose3d`` installs.
"""

from stages.pose3d.params import Pose3dParams
from stages.pose3d.stage import STAGE

__all__ = ["STAGE", "Pose3dParams"]
