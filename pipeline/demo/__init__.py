"""Demo data: rendered table-tennis clips with labelled strokes and exact truth.

Examples
--------
>>> from pipeline.demo import make_demo
>>> demo = make_demo("demo", clips=3, workers=2)  # doctest: +SKIP
>>> demo.clips[0].strokes[0].move  # doctest: +SKIP
'Offensive Forehand Hit'
"""

from pipeline.demo.clip import ClipJob, DemoClip, render_clip, render_job
from pipeline.demo.dataset import DemoSet, demo_jobs, make_demo
from pipeline.demo.plan import Stroke, plan_clip
from pipeline.demo.strokes import DEFAULT_CLASSES, MOTIONS
from pipeline.demo.truth import Truth, load_truth

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
