"""Demo data: rendered table-tennis clips with labelled strokes and exact truth.

Examples
--------
>>> from ttdemo import make_demo
>>> demo = make_demo("demo", clips=3, workers=2)  # doctest: +SKIP
>>> demo.clips[0].strokes[0].move  # doctest: +SKIP
'Offensive Forehand Hit'
"""

from ttdemo.strokes.clip import ClipJob, DemoClip, render_clip, render_job
from ttdemo.strokes.clip_set import DemoSet, demo_jobs, make_demo
from ttdemo.strokes.movements import DEFAULT_CLASSES, MOTIONS
from ttdemo.strokes.plan import plan_clip
from ttdemo.strokes.truth import Truth, load_truth
from ttdemo.world.script import Stroke

__all__ = [
    "DEFAULT_CLASSES",
    "MOTIONS",
    "ClipJob",
    "DemoClip",
    "DemoSet",
    "Stroke",
    "Truth",
    "demo_jobs",
    "load_truth",
    "make_demo",
    "plan_clip",
    "render_clip",
    "render_job",
]
