"""The command ``ttprep``: the group that holds one command per module of this folder."""

from __future__ import annotations

import click

from pipeline.cli.annotations import annotations_report
from pipeline.cli.comparing.compare import compare, outliers
from pipeline.cli.demo import demo
from pipeline.cli.export import export
from pipeline.cli.gc import gc
from pipeline.cli.init import init
from pipeline.cli.machine.doctor import doctor
from pipeline.cli.machine.weights import weights
from pipeline.cli.options import Group, with_loudness
from pipeline.cli.plan import plan
from pipeline.cli.predicting.predict import predict
from pipeline.cli.predicting.suggest import suggest
from pipeline.cli.preview import preview
from pipeline.cli.reporting.report import report
from pipeline.cli.reporting.view import view
from pipeline.cli.results.focus import focus
from pipeline.cli.results.path import path
from pipeline.cli.results.strokes import strokes
from pipeline.cli.results.table import table
from pipeline.cli.run import run
from pipeline.cli.status import status
from pipeline.cli.verify import verify

EPILOG = """\
Results go to stdout, progress and messages to stderr.

Exit codes: 0 success (plan: nothing to do); 1 failure; 2 wrong usage or manifest; 3 some inputs failed,
the others are done; 4 there is work to do (plan); 5 some files could not be read (verify); 10 no store;
11 store in use; 130 cancelled.
"""


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.version_option(package_name="ttprep")
def main() -> None:
    """Prepare sport videos for fine-grained action recognition.

    Every video becomes frames, foreground, optical flow, a track of the region of interest, pose and
    statistics in a feature store, and cuboids to train on. Results that are still valid are never
    computed again.
    """


_COMMANDS = (
    run, plan, status, verify, gc, init, export, annotations_report, predict, suggest, focus, compare,
    outliers, preview, report, view, path, table, strokes, weights, doctor, demo,
)  # fmt: skip
for _command in _COMMANDS:
    main.add_command(with_loudness(_command))
