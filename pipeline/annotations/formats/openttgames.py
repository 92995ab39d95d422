"""Read OpenTTGames' ``events_markup.json``: frame → event, plain or extended with stroke names.

Frames count from 0. An event is an instant. A stroke becomes an interval around it that lasts from
``before`` to ``after`` seconds: begin = frame − round(before·fps), end = frame + round(after·fps), and by the
times of the frames where the rate changes.
``left_forehand_loop neutral both_feet_planted`` is a stroke of the player on the left; the words
after the first describe the posture and are not part of the label.
"""

from __future__ import annotations

import re

from pipeline.annotations.formats.annotation_format import AnnotationFile, AnnotationFormat
from pipeline.annotations.formats.recorder import Recorder
from pipeline.annotations.intervals import exact
from pipeline.annotations.options import OpenTTGamesOptions
from pipeline.annotations.parsing.json_lines import Node
from pipeline.annotations.parsing.text import shown
from pipeline.annotations.records import Event, VideoFacts

_KEY = re.compile(r"-?[0-9]+", re.ASCII)
_STROKE = re.compile(r"(?:(left|right)_)?(forehand|backhand)_(\w+)", re.IGNORECASE)
_SIDE = re.compile(r"(?:left|right)_", re.IGNORECASE)


def is_events(root: Node) -> bool:
    """Tell whether most members of an object have a number as key and a string as value."""
    members = root.members
    fitting = sum(1 for m in members if _KEY.fullmatch(m.key) and isinstance(m.node.scalar, str))
    return 2 * fitting > len(members)


def _recognises(file: AnnotationFile) -> bool:
    return file.json is not None and is_events(file.json)


def _read(file: AnnotationFile, out: Recorder) -> None:
    """Read an event file; all of its events belong to the video of the file."""
    root = file.json
    options = out.options.openttgames
    facts = out.videos.get(out.video) or VideoFacts(0, exact(options.fps))
    before, after = exact(options.before), exact(options.after)
    seen: dict[int, int] = {}
    previous = (-1, 0)
    for member in root.members if root else ():
        frame = out.frame(member.line, "frame", member.key)
        if frame is not None:
            if frame in seen:
                out.issue(member.line, "duplicate", f"frame {frame} stands on line {seen[frame]} already")
            elif frame < previous[0]:
                out.issue(member.line, "unsorted", f"frame {frame} after {previous[0]} on line {previous[1]}")
            seen.setdefault(frame, member.line)
            previous = (frame, member.line)
        value = member.node.scalar
        if not isinstance(value, str) or not value.strip():
            out.issue(member.line, "malformed", f"the event at {shown(member.key)} is no name")
        elif frame is not None:
            word = value.split()[0]
            stroke = _STROKE.fullmatch(word)
            if stroke:
                side, hand, name = (part or "" for part in stroke.groups())
                template = options.strokes.get(name.lower(), f"{{hand}} {name}")
                label = template.replace("{hand}", hand.capitalize())
                begin, end = facts.frame_after(frame, -before), facts.frame_after(frame, after)
                out.add(member.line, out.video, begin, end, label, player=side.lower())
                continue
            out.events.append(Event(out.video, frame, value, out.file, member.line))
            if _SIDE.sub("", word, count=1).lower() not in options.events:
                out.issue(
                    member.line,
                    "unknown-event",
                    f"{shown(value)} is neither a stroke nor a listed event; kept as an event",
                )


FORMAT = AnnotationFormat(
    name="openttgames",
    title="OpenTTGames events",
    told_by="OpenTTGames events",
    syntax="json",
    suffixes=(".json",),
    recognises=_recognises,
    read=_read,
    options=OpenTTGamesOptions,
)
