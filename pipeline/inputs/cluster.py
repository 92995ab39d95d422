"""The manifest's section ``cluster``: what to ask a batch system for, and the user's own certificates."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

#: batch systems, as ``--cluster`` and dask-jobqueue name them
System = Literal["slurm", "pbs", "sge", "lsf", "htcondor", "oar"]
SYSTEMS: tuple[str, ...] = get_args(System)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {f"{u}I": 1024**power for power, u in enumerate("KMGT", 1)}
#: memory of a worker where nothing else is said, bytes: thrice what the pipeline's own peaks are
USUAL_MEMORY = 1 << 30


def parse_size(text: str) -> int | None:
    """Return a number of bytes, None where the text is none.

    >>> parse_size("2GB"), parse_size("1.5 GiB"), parse_size("much")
    (2000000000, 1610612736, None)
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?I?)B?\s*", text.upper())
    if found is None or found[2] not in _UNITS:
        return None
    return round(float(found[1]) * _UNITS[found[2]])


def parse_time(text: str) -> int | None:
    """Return the seconds of ``HH:MM:SS`` or ``D-HH:MM:SS``, None where the text is neither.

    >>> parse_time("04:00:00"), parse_time("1-00:00:30"), parse_time("4h")
    (14400, 86430, None)
    """
    found = re.fullmatch(r"(?:(\d+)-)?(\d{1,4}):([0-5]?\d):([0-5]?\d)", text.strip())
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def time_text(seconds: int) -> str:
    """Write a duration as ``HH:MM:SS``.

    >>> time_text(86430)
    '24:00:30'
    """
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


class Tls(BaseModel):
    """Certificates for a scheduler at a ``tls://`` address; PEM files, relative to the manifest.

    Attributes
    ----------
    ca : Path
        Certificates of those whom to trust.
    cert : Path
        This user's certificate.
    key : Path
        Its private key, readable for nobody else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ca: Path
    cert: Path
    key: Path


class Cluster(BaseModel):
    """What ``ttprep run --cluster SYSTEM`` asks the batch system for.

    Attributes
    ----------
    cores : int
        Of a job; each is a worker.
    memory : str
        Of a job, as 8GB or 8GiB; empty: 1 GiB a core.
    walltime : str
        After which the system ends a job, HH:MM:SS or D-HH:MM:SS. Workers end shortly before, and give back
        what they have begun.
    queue : str
        Also called partition; empty: the system's own choice.
    account : str
        Whom the hours are charged to, also called project.
    job_extra : tuple of str
        Further options of a job, each as behind #SBATCH, #PBS and so on; for HTCondor as name = value.
    setup : tuple of str
        Lines of shell that a job begins with, such as module load or the activation of an environment.
    python : str
        Interpreter on the nodes, with this ttprep; empty: the one that runs `ttprep run`.
    minimum, maximum : int
        How many jobs there are at least and at most; between them as many as the work needs.
    interface : str
        Network interface of scheduler and workers, as ib0; empty: that of the default route.
    logs : Path
        Folder for what jobs print, relative to the manifest; seen by all nodes.
    tls : Tls or None
        For `--scheduler tls://…`; a cluster that `--cluster` starts makes certificates of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cores: int = Field(1, ge=1, le=4096)
    memory: str = ""
    walltime: str = "04:00:00"
    queue: str = ""
    account: str = ""
    job_extra: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    python: str = ""
    minimum: int = Field(0, ge=0)
    maximum: int = Field(4, ge=1)
    interface: str = ""
    logs: Path = Path("ttprep-logs")
    tls: Tls | None = None

    @field_validator("walltime", mode="before")
    @classmethod
    def _unquoted(cls, value: Any) -> Any:
        # YAML takes 12:00:00 for a number to the base 60: the seconds that are meant
        return time_text(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("walltime")
    @classmethod
    def _a_time(cls, value: str) -> str:
        seconds = parse_time(value)
        if seconds is None or seconds < 60:
            raise ValueError("write a time of a minute or more as HH:MM:SS or D-HH:MM:SS")
        return value

    @field_validator("memory", mode="before")
    @classmethod
    def _bytes(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("memory")
    @classmethod
    def _a_size(cls, value: str) -> str:
        if value and (parse_size(value) or 0) < 10**8:
            raise ValueError("write 100MB or more, as 8GB or 8GiB")
        return value

    @field_validator("job_extra", "setup", "queue", "account", "python", "interface")
    @classmethod
    def _single_lines(cls, value: Any) -> Any:
        if any("\n" in line for line in ([value] if isinstance(value, str) else value)):
            raise ValueError("write each line as an entry of its own")
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Cluster:
        if self.minimum > self.maximum:
            raise ValueError(
                f"minimum {self.minimum} is more than maximum {self.maximum}; set one of them anew"
            )
        return self

    @property
    def seconds(self) -> int:
        """The walltime, s."""
        return parse_time(self.walltime) or 0

    @property
    def job_bytes(self) -> int:
        """Memory of a job."""
        return parse_size(self.memory) or self.cores * USUAL_MEMORY
