"""The hands as phases need them: through gaps too long to bridge, and by the elbow where the body hides them.

A wrist that the trunk hides is a guess of the network, which jumps by half a body length and back; the elbow
of that arm is seen longer. Where the wrist's score is low, it is moved as the elbow is, made larger. That is
enough to say when a hand turns round, and too little to say where it is: this course is for phases alone, is
stored nowhere, and what rests on it is less certain (:func:`certainty`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stages.base import Array
from stages.kinematics.angles import SIDES
from stages.kinematics.course import INDEX, Course, Floats, body_length, smoothed
from stages.kinematics.motion import steps, way
from stages.kinematics.params import KinematicsParams
from stages.kinematics.phases import Phases, pace

#: s; a longer gap is not bridged for phases either
LONGEST_GAP = 1.0
#: score from which a wrist moves by itself alone; at 0 it moves as its elbow does; tuned on demo clips
SURE = 0.5
#: the way of a wrist to that of its elbow, where nothing else is known; tuned on demo clips
REACH = 1.5
#: how often the hand is looked for in the flow: the second time where the first one found it
LOOKS = 2
#: the drift is corrected over two windows, the second so many times as long, and the mean is taken: what the
#: jumps of the network do to the course depends on the window, the swing does not; tuned on demo clips
WIDER = 1.5
#: s to each side of a moment, whose frames say how far it is seen
NEAR = 0.1
#: what a frame counts that shows the elbow alone
BY_ELBOW = 0.5
#: body lengths/s; a swing that looks slower is hardly seen: its moments are wrong more often
CLEAR_SPEED = 3.0


def hands(
    joints: Array, scores: Array, rate: float, parameters: KinematicsParams, flow: Array | None = None
) -> Course:
    """Return the course in which phases are looked for.

    Parameters
    ----------
    joints, scores, rate, parameters
        As :func:`stages.kinematics.course.smoothed` takes them.
    flow : (T - 1 or more, H, W, 2) int16, optional
        As :func:`stages.kinematics.motion.carried` takes it; default: wrists and elbows move as the smoothed
        joints do.

    Returns
    -------
    Course
        Its wrists are known through gaps of up to a second; a wrist that nobody saw before or after is
        unknown still. ``confidence`` is 0 in the gaps.
    """
    gap = max(parameters.longest_gap, LONGEST_GAP)
    wide = parameters.model_copy(update={"longest_gap": gap})
    given = joints, scores, rate, wide
    course = smoothed(*given)
    if not body_length(course) > 0:
        return course
    arms = [(INDEX[f"{side}_wrist"], INDEX[f"{side}_elbow"]) for side in SIDES]
    unsure = {wrist: np.clip(1 - course.confidence[:-1, wrist, None] / SURE, 0, 1) for wrist, _ in arms}
    help_ = {wrist: unsure[wrist] * REACH * steps(course, elbow, flow) for wrist, elbow in arms}
    for _ in range(LOOKS):
        ways = {row: way((1 - unsure[row]) * steps(course, row, flow) + help_[row]) for row, _ in arms}
        course = smoothed(*given, ways)
    wider = wide.model_copy(update={"drift_window": WIDER * wide.drift_window})
    again = smoothed(joints, scores, rate, wider, ways)
    return replace(course, joints=(course.joints + again.joints) / 2)


def certainty(course: Course, hand: str, found: Phases) -> Floats:
    """Return how surely each moment is found, 0 … 1; (4,).

    It is the share of frames around the moment in which the wrist is seen, those counting half that show
    the elbow alone, times the largest speed of the swing in the picture as a share of :data:`CLEAR_SPEED`, at
    most 1. It is no probability; docs/kinematics.md says how often moments of which certainty are right.

    Parameters
    ----------
    course : Course
        Of the stroke, by :func:`hands`.
    hand : str
        ``left`` or ``right``.
    found : Phases
        In that course.
    """
    if not found.known:
        return np.zeros(4)
    wrist, elbow = (course.confidence[:, INDEX[f"{hand}_{joint}"]] > 0 for joint in ("wrist", "elbow"))
    seen = np.where(wrist, 1.0, BY_ELBOW * elbow)
    reach = round(NEAR * course.rate)
    moments = (found.start, found.turn, found.peak, found.finish)
    shares = [float(seen[max(0, at - reach) : at + reach + 1].mean()) for at in moments]
    fastest = np.nanmax(pace(course, hand)[found.turn : found.finish + 1]) / body_length(course)
    return np.array(shares) * (min(1.0, float(fastest) / CLEAR_SPEED) if np.isfinite(fastest) else 0.0)
