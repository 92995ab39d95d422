"""What the commands of ``ttprep`` share: options, consoles, the request, errors as one line."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from pipeline import errors
from pipeline.errors import UserError
from pipeline.terminal import echo, prepare_streams

PATH = click.Path(path_type=Path)
#: of commands that first make what the store lacks
WORKERS = click.option(
    "--workers",
    type=click.IntRange(0),
    help="Number of processes that make what is missing; 0: this one. Default: one per core.",
)
WEIGHTS = click.option(
    "--pose-weights", type=PATH, help="Folder of PoseNet weights (manifest.json + raw files)."
)


class Group(click.Group):
    """A group of commands that turns every expected error into one line and its exit code."""

    def _interruptible(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command; whatever a library makes of ^C, it stays ^C."""
        try:
            return super().main(*args, **kwargs)
        except Exception as error:
            found = errors.interruption(error)
            if found is None:
                raise
            raise found from None

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command and exit with its code."""
        from stages.base import StageError
        from store import LockedError, NoStoreError, StoreError

        kwargs["standalone_mode"] = False
        prepare_streams()
        code: Any = errors.OK
        try:
            code = self._interruptible(*args, **kwargs)
        except click.exceptions.Exit as e:
            code = e.exit_code
        except click.ClickException as e:
            e.show(file=sys.stderr)
            code = errors.USAGE
        except (KeyboardInterrupt, click.Abort):
            echo("cancelled; what was finished is kept, run again to go on", err=True)
            code = errors.CANCELLED
        except UserError as e:
            echo(f"error: {e}", err=True, lines=True)
            code = e.code
        except StoreError as e:
            echo(f"error: {e}", err=True, lines=True)
            kinds = ((NoStoreError, errors.NO_STORE), (LockedError, errors.LOCKED))
            code = next((c for kind, c in kinds if isinstance(e, kind)), errors.FAILED)
        except StageError as e:  # of the stages themselves; those of a video end in its job's result
            echo(f"error: {e}", err=True, lines=True)
            code = errors.FAILED
        except BrokenPipeError:
            sys.stderr.close()  # the reader went away; Python would complain at exit
            code = errors.OK
        except OSError as e:
            echo(f"error: {e.filename or 'system'}: {e.strerror or e}", err=True)
            code = errors.FAILED
        sys.exit(code if isinstance(code, int) else errors.OK)


#: key of a command's context: -1 quiet, 0 usual, 1 verbose
_LOUDNESS = "ttprep.loudness"
#: wide enough for any table: one in a file or a pipe is not folded
_UNFOLDED = 10_000


def _loudness(step: int) -> Callable[[click.Context, click.Parameter, bool], None]:
    def note_it(ctx: click.Context, param: click.Parameter, given: bool) -> None:
        if given and ctx.meta.get(_LOUDNESS, step) != step:
            raise click.UsageError("--quiet and --verbose exclude each other: give one of them")
        if given:
            ctx.meta[_LOUDNESS] = step

    return note_it


def with_loudness(command: click.Command) -> click.Command:
    """Give a command the options ``--quiet`` and ``--verbose``."""
    texts = (
        ("quiet", -1, "No progress and no notes; only the result, and what failed."),
        ("verbose", 1, "More detail in what is printed: every video, every result, every finding."),
    )
    for word, step, text in texts:
        names = [f"--{word}", f"-{word[0]}"]
        command.params.append(
            click.Option(names, is_flag=True, expose_value=False, callback=_loudness(step), help=text)
        )
    return command


def _told() -> int:
    context = click.get_current_context(silent=True)
    return int(context.meta.get(_LOUDNESS, 0)) if context else 0


def verbose() -> bool:
    """Return whether ``--verbose`` was given."""
    return _told() > 0


def quiet() -> bool:
    """Return whether ``--quiet`` was given."""
    return _told() < 0


def note(text: object) -> None:
    """Print a remark on stderr; nothing with ``--quiet``."""
    if not quiet():
        echo(f"note: {text}", err=True)


def quoted(path: Path) -> str:
    """Return a path as it may be typed in a shell."""
    return shlex.quote(str(path))


def next_step(text: str) -> None:
    """Print on stderr what can be done next; nothing with ``--quiet``."""
    if not quiet():
        echo(f"next: {text}", err=True)


def stderr() -> Console:
    """Return a console for progress and messages; silent with ``--quiet``."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False, quiet=quiet())


def stdout() -> Console:
    """Return a console for results, as wide as the terminal or ``COLUMNS``; anything else is not folded."""
    told = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return Console(highlight=False, markup=False, emoji=False, width=None if told else _UNFOLDED)


def complete_stage(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
    """Complete the name of a stage in a shell."""
    from stages.registry import registry

    return [name for name in registry() if name.startswith(begun)]


def options(*, paths: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds the options that most commands share.

    Parameters
    ----------
    paths : bool
        Also ``--stage``, ``--pose-weights`` and the arguments PATH.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        add = [
            click.option(
                "--store",
                "store_root",
                type=PATH,
                help="Folder of the feature store; default: as in the manifest.",
            ),
            click.option(
                "--manifest",
                type=PATH,
                help="Manifest; default: ./data_manifest.yaml if there is one, else built-in defaults.",
            ),
        ]
        if paths:
            add += [
                click.option(
                    "--stage",
                    "stages",
                    multiple=True,
                    metavar="NAME",
                    shell_complete=complete_stage,
                    help="Limit to this stage and what it needs; may be repeated.",
                ),
                WEIGHTS,
                click.argument("paths", nargs=-1, type=PATH, metavar="[PATH]..."),
            ]
        for option in reversed(add):
            function = option(function)
        return function

    return decorate


JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def make_request(
    store_root: Path | None,
    manifest: Path | None,
    paths: tuple[Path, ...] = (),
    stages: tuple[str, ...] = (),
    pose_weights: Path | None = None,
    **more: Any,
) -> Any:
    """Return the request of a command line; ``more`` are further fields of it."""
    from pipeline.inputs.manifest import read_manifest
    from pipeline.planning.request import Request

    read = read_manifest(manifest)
    root = store_root or read.resolve(read.store)
    return Request(read, root, paths, stages, pose_weights=pose_weights, **more)


def existing_store(root: Path) -> Any:
    """Open the store at ``root``, or return None if there is none: planning does not need one."""
    from store import Store

    return Store.open(root) if root.exists() else None
