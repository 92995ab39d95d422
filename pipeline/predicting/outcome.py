"""What a prediction is asked for and what became of it, video by video."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import OK
from pipeline.inputs.sources import Source
from pipeline.predicting.outputs import Place


@dataclass(frozen=True)
class Options:
    """What is asked for beside the videos.

    Attributes
    ----------
    network : Path
        Folder of a run.
    output : Path
        Folder for the results.
    rule : str
        Decision rule: vote, average, gaussian.
    step, batch : int
        Frames from one window to the next; windows per forward pass.
    device : str or None
    window, gauss_window, shortest : int or None
        Of the rules, in the network's frames; None: by its rate.
    overlay, report : bool
        Whether a film and pages are made.
    borders : bool
        Slide half a window beyond both ends of a video.
    ends : str
        Where strokes begin and end: "scores", where the rule says; "still", where the player moves least
        near that.
    """

    network: Path
    output: Path
    rule: str = "gaussian"
    step: int = 1
    batch: int = 10
    device: str | None = None
    window: int | None = None
    gauss_window: int | None = None
    shortest: int | None = None
    overlay: bool = True
    report: bool = True
    borders: bool = False
    ends: str = "scores"


@dataclass
class OneVideo:
    """A video and what became of it.

    Attributes
    ----------
    views : list of Source
        One for each of its players, else the video alone.
    name : str
        As annotations know it.
    place : Place
    rate : float or None
        At which its frames are taken, 1/s; None: as they come.
    record : dict
        What the record says, once there is one.
    kept : bool
        An earlier call had done it.
    problem : str
        Why there is no prediction; empty where there is one.
    rows : int
        That the network saw.
    seconds : float
        How long the network took.
    """

    views: list[Source]
    name: str
    place: Place
    rate: float | None = None
    record: dict[str, Any] = field(default_factory=dict)
    kept: bool = False
    problem: str = ""
    rows: int = 0
    seconds: float = 0.0

    @property
    def source(self) -> Source:
        """The first of its views; all have the same file."""
        return self.views[0]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "video": self.name,
            "sha256": self.source.sha256,
            "state": "failed" if self.problem else "kept" if self.kept else "done",
            "problem": self.problem,
            "strokes": self.record.get("strokes", []),
            "frames": self.record.get("frames", 0),
            "seconds": self.record.get("seconds", 0.0),
            "resampled": bool(self.record.get("resampled", False)),
            "folder": str(self.place.folder),
            "network_seconds": round(self.seconds, 3),
        }


@dataclass
class Predicted:
    """What a call did.

    Attributes
    ----------
    options : Options
    videos : list of OneVideo
    problems : list of str
        Paths that cannot be used.
    notes : list of str
    seconds : float
        That all of it took, stages included.
    code : int
        Exit code.
    report : Path or None
        Page to open.
    """

    options: Options
    videos: list[OneVideo]
    problems: list[str]
    notes: list[str]
    seconds: float = 0.0
    code: int = OK
    report: Path | None = None

    @property
    def made(self) -> list[OneVideo]:
        """Videos that this call predicted."""
        return [v for v in self.videos if not v.problem and not v.kept]

    @property
    def speed(self) -> float | None:
        """Seconds of video that a second of work predicted; None where nothing was to be done."""
        lasted = sum(float(v.record["seconds"]) for v in self.made)
        return lasted / self.seconds if lasted and self.seconds else None

    @property
    def network_speed(self) -> float | None:
        """The same of the network alone."""
        lasted = sum(float(v.record["seconds"]) for v in self.made)
        took = sum(v.seconds for v in self.made)
        return lasted / took if lasted and took else None

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "exit_code": self.code,
            "run": str(self.options.network),
            "output": str(self.options.output),
            "rule": self.options.rule,
            "videos": [v.to_json() for v in self.videos],
            "problems": self.problems,
            "notes": self.notes,
            "seconds": round(self.seconds, 3),
            "times_real_time": self.speed,
            "network_times_real_time": self.network_speed,
            "report": str(self.report) if self.report else None,
        }
