"""``python -m pipeline.cli`` is ``ttprep``."""

from pipeline.cli.main import main

main()
