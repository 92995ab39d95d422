"""What is told of the files of a network: by each command of ``ttprep weights``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import errors
from pipeline.cli.options import note, verbose
from pipeline.terminal import echo, echo_json


def tell_files(
    files: Sequence[dict[str, Any]], folder: Path, source: str, hint: str, *, as_json: bool, **more: Any
) -> int:
    """Say which files a folder has, and return the exit code.

    Parameters
    ----------
    files : sequence of dict
        ``name``, ``sha256``, and ``state``: there, missing or other.
    folder : Path
    source : str
        Where they are published.
    hint : str
        Said where one is not there.
    as_json : bool
    **more
        Further fields of the JSON.
    """
    there = sum(file["state"] == "there" for file in files)
    if as_json:
        whole = {"folder": str(folder), "source": source, "complete": there == len(files)}
        echo_json({**more, **whole, "files": list(files)})
    else:
        for file in files if verbose() else ():
            echo(f"{file['sha256']}  {file['name']}  {file['state']}")
        echo(f"{folder}: {there} of {len(files)} files are there")
        if there < len(files):
            note(hint)
    return errors.OK if there == len(files) else errors.FAILED
