"""Demo data: rendered table tennis with labels and exact truth, as clips of strokes or trials of throws.

=============  =========================================================================================
``world/``     what happens, in metres and frames: camera, body, table, curves, the script of a clip
``render/``    drawing: hall, player, colours, video files
``strokes/``   video clips of labelled strokes: movements, plan, pictures, truth, sets of clips
``throws/``    trials of one stroke each at one of nine targets: plan, pictures, sets of trials
=============  =========================================================================================

It imports nothing of the rest of the project.

Examples
--------
>>> from ttdemo import make_demo
>>> demo = make_demo("demo", clips=3, workers=2)  # doctest: +SKIP
>>> demo.clips[0].strokes[0].move  # doctest: +SKIP
'Offensive Forehand Hit'
"""

from ttdemo.strokes.changes import Change
from ttdemo.strokes.clip import ClipJob, DemoClip, render_clip, render_job
from ttdemo.strokes.clip_set import DemoSet, demo_jobs, make_demo
from ttdemo.strokes.match import DemoMatch, render_match
from ttdemo.strokes.movements import DEFAULT_CLASSES, MOTIONS
from ttdemo.strokes.plan import plan_clip
from ttdemo.strokes.truth import Truth, load_truth
from ttdemo.throws.plan import N_TARGETS, TrialPlan, plan_trial, target_name
from ttdemo.throws.trial_set import JOINTS_FILE, ThrowSet, TrialJob, make_throws, render_trial_job, throw_jobs
from ttdemo.world.script import Stroke

__all__ = [
    "DEFAULT_CLASSES",
    "JOINTS_FILE",
    "MOTIONS",
    "N_TARGETS",
    "Change",
    "ClipJob",
    "DemoClip",
    "DemoMatch",
    "DemoSet",
    "Stroke",
    "ThrowSet",
    "TrialJob",
    "TrialPlan",
    "Truth",
    "demo_jobs",
    "load_truth",
    "make_demo",
    "make_throws",
    "plan_clip",
    "plan_trial",
    "render_clip",
    "render_job",
    "render_match",
    "render_trial_job",
    "target_name",
    "throw_jobs",
]
