"""What the commands of ``ttprep`` share: options, consoles, the request, errors as one line."""

from __future__ import annotations

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


class Group(click.Group):
    """A group of commands that turns every expected error into one line and its exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command and exit with its code."""
        from stages.base import StageError
        from store import LockedError, NoStoreError, StoreError

        kwargs["standalone_mode"] = False
        prepare_streams()
        code: Any = errors.OK
        try:
            code = super().main(*args, **kwargs)
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


def stderr() -> Console:
    """Return a console for progress and messages."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def stdout() -> Console:
    """Return a console for results."""
    # a table in a file or a pipe should not be folded to 80 columns
    width = None if sys.stdout.isatty() else 200
    return Console(highlight=False, markup=False, emoji=False, width=width)


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
                    help="Limit to this stage and what it needs; may be repeated.",
                ),
                click.option(
                    "--pose-weights",
                    type=PATH,
                    help="Folder of PoseNet weights (manifest.json + raw files).",
                ),
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
