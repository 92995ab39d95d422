"""What the command line asks for, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.inputs.cluster import Cluster, System, Tls
from pipeline.inputs.manifest import Manifest


@dataclass(frozen=True)
class Where:
    """Where to compute.

    Attributes
    ----------
    workers : int or None
        Processes to start on this machine. None: one per core. 0: none, the jobs run one after the other in
        the calling process.
    scheduler : str or None
        Address of a running Dask scheduler.
    tls : Tls or None
        Certificates for it.
    system : str or None
        Batch system that is asked for jobs.
    cluster : Cluster
        What it is asked for; the folder of its logs resolved.
    """

    workers: int | None = None
    scheduler: str | None = None
    tls: Tls | None = None
    system: System | None = None
    cluster: Cluster = field(default_factory=Cluster)

    @property
    def elsewhere(self) -> bool:
        """Whether workers may be on other machines."""
        return bool(self.scheduler or self.system)


@dataclass(frozen=True)
class Request:
    """What the command line asks for.

    Attributes
    ----------
    manifest : Manifest
    store_root : Path
    paths : tuple of Path
        Videos and folders of videos; empty: those of the manifest.
    stages : tuple of str
        Empty: all stages.
    where : Where
    report : Path or None
        File for Dask's performance report.
    pose_weights : Path or None
        Folder of PoseNet weights; takes precedence over the manifest's.
    """

    manifest: Manifest
    store_root: Path
    paths: tuple[Path, ...] = ()
    stages: tuple[str, ...] = ()
    where: Where = field(default_factory=Where)
    report: Path | None = None
    pose_weights: Path | None = None
