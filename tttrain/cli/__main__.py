"""``python -m tttrain.cli`` is ``tttrain``."""

from tttrain.cli.main import main

main()
