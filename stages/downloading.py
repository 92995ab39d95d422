"""Published files that stages need: what can go wrong on the way, in one line, and how they are put down."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from stages.errors import StageError

_CONNECT_S = 5.0


def downloader(read_s: float) -> object:
    """Return pooch's downloader, quiet, with limits of time.

    Parameters
    ----------
    read_s : float
        How long the other side may be silent, s.
    """
    import logging

    import pooch

    # pooch reports each of the files and gives both digests in three lines; the error says it in one
    pooch.get_logger().setLevel(logging.WARNING)
    return pooch.HTTPDownloader(timeout=(_CONNECT_S, read_s))


@contextlib.contextmanager
def told_in_a_line(
    unavailable: Callable[[str], StageError], address: str, place: str, what: str, folder: Path
) -> Iterator[None]:
    """Turn what pooch raises into an error that says why a file cannot be had.

    Parameters
    ----------
    unavailable : callable
        Makes the error from the reason.
    address, place : str
        Of the file, and of where it is published.
    what : str
        Word for it.
    folder : Path
        Where it goes.

    Raises
    ------
    StageError
    """
    import requests

    try:
        yield
    except requests.exceptions.HTTPError as error:
        status = error.response.status_code if error.response is not None else "an error"
        raise unavailable(f"{address} answered {status}") from None
    except requests.exceptions.RequestException as error:
        raise unavailable(f"{place} cannot be reached ({type(error).__name__})") from None
    except ValueError:
        raise unavailable(f"{address} is not the {what} that was pinned") from None
    except OSError as error:
        raise unavailable(f"cannot write {folder} ({error.strerror})") from error


def put(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files into a folder, each as a whole.

    Raises
    ------
    OSError
        The disk refused.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        part = folder / f".{name}.{os.getpid()}"
        part.write_bytes(content)
        part.replace(folder / name)
