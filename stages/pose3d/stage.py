"""The stage of the skeletons in space: the descriptor's player, frame by frame, in metres from the hips."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.base import ArraySpec, Block, Derived, Result, Stage, StageError, VideoInfo
from stages.descriptor import JOINTS
from stages.pose3d.depth import DepthNetwork, lifted, scales, under
from stages.pose3d.params import Pose3dParams, unread
from stages.pose3d.player import Player
from stages.pose3d.runtime import missing
from stages.pose3d.weights import ENVIRONMENT, Networks, published_digest, resolve_networks

Array = NDArray[Any]


def compute(blocks: Iterator[Block], params: Pose3dParams, info: VideoInfo) -> Iterator[Result]:
    """Give the player of every frame a skeleton in space.

    Parameters
    ----------
    blocks : iterator of Block
        ``frames.rgb`` (n, H, W, 3) uint8; ``descriptor.joints`` (n, 14, 3) float32 and
        ``descriptor.found`` (n,), which say who the player is.
    params : Pose3dParams
    info : VideoInfo

    Yields
    ------
    Result
        See the declared outputs: with BlazePose one a block, of each frame alone; with a depth network one
        after the last block, since the whole video decides the scales.

    Raises
    ------
    StageError
        There are no networks, or not those of ``weights_sha256``. Never downloads.
    """
    return _by_depth(blocks, params) if params.method == "depth" else _by_blazepose(blocks, params)


def _empty(n: int) -> Result:
    k = len(JOINTS)
    return Result(
        {
            "joints": np.zeros((n, k, 3), np.float32),
            "scores": np.zeros((n, k), np.float32),
            "pixels": np.zeros((n, k, 2), np.float32),
            "found": np.zeros(n, np.uint8),
            "certainty": np.zeros(n, np.float32),
        }
    )


def _by_blazepose(blocks: Iterator[Block], params: Pose3dParams) -> Iterator[Result]:
    player = _player(_networks(params), params.crop)
    for block in blocks:
        rgb, described = block.rows("frames.rgb"), block.rows("descriptor.joints")
        out = _empty(block.stop - block.start)
        for t in np.flatnonzero(block.rows("descriptor.found")):
            seen = player.find(rgb[t], described[t, 1:, :2])
            if seen is None:
                continue
            out["joints"][t], out["scores"][t], out["pixels"][t] = seen.joints, seen.scores, seen.pixels
            out["found"][t], out["certainty"][t] = 1, seen.certainty
        yield out


def _by_depth(blocks: Iterator[Block], params: Pose3dParams) -> Iterator[Result]:
    network = _depth_network(params)
    found, described, depths = [], [], []
    for block in blocks:
        rgb, joints = block.rows("frames.rgb"), block.rows("descriptor.joints")[:, 1:].astype(np.float64)
        here = block.rows("descriptor.found").astype(bool)
        deep = np.zeros(joints.shape[:2])
        for t in np.flatnonzero(here):
            deep[t] = under(network.depth(rgb[t]), joints[t, :, :2])
        found.append(here)
        described.append(joints)
        depths.append(deep)
    seen = np.concatenate([np.zeros(0, bool), *found])
    out = _empty(len(seen))
    metric = params.depth_output == "metric"
    s = k = 0.0
    if seen.any():
        joints, deep = np.concatenate(described)[seen], np.concatenate(depths)[seen]
        pixels, scores = joints[..., :2], joints[..., 2]
        s, k = scales(pixels, deep, scores, params.height, params.least_score, metric=metric)
        if s > 0:
            out["joints"][seen] = lifted(pixels, deep, s, k, metric=metric)
            out["scores"][seen], out["pixels"][seen] = scores, pixels
            out["found"][seen], out["certainty"][seen] = 1, scores.mean(axis=1)
    out.attrs |= {"metres_a_pixel": s, "metres_a_step_of_depth": k}
    yield out


def _networks(params: Pose3dParams) -> Networks:
    networks = resolve_networks(params.model, download=False)
    if params.weights_sha256 not in ("", networks.sha256):
        raise StageError(
            f"the BlazePose networks in {networks.folder} are not those that this run was planned with",
            f"restore them or run again; {ENVIRONMENT} says which folder is read",
        )
    return networks


@lru_cache(maxsize=2)
def _player(networks: Networks, crop: str) -> Player:
    """One pair of loaded networks a process."""
    return Player(networks, crop)


def _depth_network(params: Pose3dParams) -> DepthNetwork:
    path, digest = _depth_file(params.depth_network)
    if params.weights_sha256 not in ("", digest):
        raise StageError(
            f"the depth network {path} is not the one that this run was planned with",
            "restore it or run again",
        )
    return DepthNetwork(path, params)


def _depth_file(named: Path | None) -> tuple[Path, str]:
    """Return where a depth network lies, and its sha256."""
    if named is None:
        raise StageError(
            "method 'depth' takes the ONNX file of a network", "name it as stages.pose3d.depth_network"
        )
    path = named.expanduser().absolute()
    try:
        with path.open("rb") as file:
            return path, hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as e:
        raise StageError(
            f"the depth network {path} cannot be read ({e.strerror})",
            "name an ONNX file as stages.pose3d.depth_network",
        ) from e


def derive(params: Pose3dParams, file: Path | None, download: bool) -> Derived[Pose3dParams]:
    """Find the networks and write their digest into the parameters.

    Parameters
    ----------
    params : Pose3dParams
    file : Path or None
        The depth network.
    download : bool
    """
    if params.method == "depth":
        try:
            path, digest = _depth_file(file or params.depth_network)
        except StageError as e:
            return Derived(params, unavailable=str(e))
        update = {"depth_network": path, "weights_sha256": digest}
        return Derived(params.model_copy(update=update))
    if why := missing():
        # the key is known all the same, so that a plan can name what would be made
        return Derived(params.model_copy(update={"weights_sha256": published_digest(params.model)}), {}, why)
    try:
        networks = resolve_networks(params.model, download=download)
    except StageError as e:
        digest = "" if os.environ.get(ENVIRONMENT) else published_digest(params.model)
        return Derived(params.model_copy(update={"weights_sha256": digest}), unavailable=str(e))
    update = {"weights_sha256": networks.sha256}
    return Derived(params.model_copy(update=update), {ENVIRONMENT: str(networks.folder)})


def attributes(params: Pose3dParams, info: VideoInfo) -> dict[str, Any]:
    """What the reader of the file should know: names, axes, where the networks came from."""
    published = params.method == "blazepose" and params.weights_sha256 == published_digest(params.model)
    return {
        "joint_names": list(JOINTS),
        "coordinates": "x right in the picture, y up, z towards the camera, m, from the middle of the hips",
        "limits": "of one camera: depth is a guess; every frame alone, not smoothed",
        "weights": "as published" if published else "own",
    }


STAGE = Stage(
    name="pose3d",
    version=1,
    title="the player's skeleton in metres",
    params=Pose3dParams,
    inputs=("frames.rgb", "descriptor.joints", "descriptor.found"),
    outputs=(
        ArraySpec(
            "joints",
            "float32",
            ("frame", "joint", "xyz"),
            units="m",
            description="joints from the middle of the hips: x right, y up, z to the camera; 0 for nobody",
        ),
        ArraySpec("scores", "float32", ("frame", "joint"), description="that the joint is seen, 0 … 1"),
        ArraySpec(
            "pixels",
            "float32",
            ("frame", "joint", "xy"),
            units="px",
            description="the same joints in the stored frame",
        ),
        ArraySpec("found", "uint8", ("frame",), description="1 where there is a skeleton"),
        ArraySpec("certainty", "float32", ("frame",), description="that somebody is there, 0 … 1"),
    ),
    compute=compute,
    splittable=True,
    in_order=lambda params: params.method == "depth",
    modality="pose",
    applies=lambda setting: setting.pose3d,
    unread=unread,
    derive=derive,
    file="depth_network",
    hidden=("weights_sha256",),
    attrs=attributes,
)
