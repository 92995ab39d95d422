"""The command ``tttrain``. Results go to stdout, progress and messages to stderr.

Exit codes: 0 ok · 1 failed · 2 usage · 130 cancelled.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from tttrain import errors
from tttrain.cli.attention import attention
from tttrain.cli.compare import compare
from tttrain.cli.crossvalidate import crossvalidate
from tttrain.cli.detect import detect
from tttrain.cli.evaluate import evaluate
from tttrain.cli.features import features
from tttrain.cli.fit import fit
from tttrain.cli.models import models
from tttrain.cli.output import echo, prepare_streams, with_quiet
from tttrain.cli.robustness import robustness
from tttrain.errors import USAGE, TrainError

#: what is said where torch is missing
NO_TORCH = (
    "tttrain needs PyTorch, which is not installed here: `pip install torch`; without a GPU the build for the"
    " CPU is far smaller: choose CPU on pytorch.org, which shows the command for it"
)


# threads that wait shall sleep, not spin: on two cores with three other programs that made an epoch more than
# three times as fast (13 to 17 s for 46 to 57 s), for spinning threads hold up those that compute
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class _Group(click.Group):
    """Turns every expected error into one line and its exit code.

    ``ttprep`` has a group like this one; this package imports nothing of it.
    """

    _trains = False

    def _interruptible(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command; whatever a library makes of ^C, it stays ^C."""
        try:
            return super().main(*args, **kwargs)
        except Exception as error:
            found = errors.interruption(error)
            if found is None:
                raise
            raise found from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and note which it is for what is said when it is cancelled."""
        found = super().resolve_command(ctx, args)
        self._trains = found[0] in ("fit", "compare", "crossvalidate")
        return found

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        prepare_streams()
        code: Any = errors.OK
        try:
            code = self._interruptible(*args, **kwargs)
        except click.exceptions.Exit as e:
            code = e.exit_code
        except click.ClickException as e:
            e.show()
            code = USAGE
        except (KeyboardInterrupt, click.Abort):
            kept = "finished epochs are kept, run again to go on" if self._trains else "run again"
            echo(f"cancelled; {kept}", err=True)
            code = errors.CANCELLED
        except TrainError as e:
            echo(f"error: {e}", err=True)
            code = e.code
        except ModuleNotFoundError as e:
            if (e.name or "").partition(".")[0] != "torch":
                raise
            echo(f"error: {NO_TORCH}", err=True)
            code = USAGE
        except BrokenPipeError:
            sys.stderr.close()  # the reader went away; Python would complain at exit
        except OSError as e:
            echo(f"error: {e.filename or 'system'}: {e.strerror or e}", err=True)
            code = errors.FAILED
        sys.exit(code if isinstance(code, int) else errors.OK)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]}, epilog=__doc__)
@click.version_option(package_name="ttprep")
def main() -> None:
    """Train and apply the networks of the stroke papers on a dataset of `ttprep export`."""


COMMANDS = (fit, compare, crossvalidate, evaluate, robustness, detect, models, attention, features)
for command in COMMANDS:
    main.add_command(with_quiet(command))
