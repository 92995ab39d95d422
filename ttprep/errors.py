"""What can go wrong, as exceptions whose text says what is missing and which command makes it."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from store.names import VIDEOS

P = ParamSpec("P")
T = TypeVar("T")


class Error(Exception):
    """Base of all errors of this package; its text is made for people."""

    def __str__(self) -> str:
        """Return the text as it is: KeyError would quote it."""
        return "\n".join(str(a) for a in self.args)


class NoSuchFile(Error, FileNotFoundError):
    """There is no store, or no dataset file, at that place."""


class UnknownVideo(Error, KeyError):
    """The store has no such video, or the name means several.

    Attributes
    ----------
    candidates : tuple of str
        Names that are near, or paths of those that the name means.
    """

    def __init__(self, message: str, candidates: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.candidates = candidates

    def __reduce__(self) -> tuple[type[UnknownVideo], tuple[str, tuple[str, ...]]]:
        return type(self), (str(self), self.candidates)


class MissingResult(Error, LookupError):
    """A stage is not computed for this video, failed, or was removed; the text says what makes it."""


class Damaged(Error):
    """A file's bytes are not those that were written; nothing of it is returned."""


class Unreadable(Error, OSError):
    """A file is there and cannot be read now (permissions, the disk, the network)."""


class BadIndex(Error, IndexError):
    """What stands in the brackets is no frame, no time, or lies outside the video."""


class BadRequest(Error, ValueError):
    """The manifest, a path or an argument cannot be used; the text says which and why.

    Attributes
    ----------
    code : int
        What ``ttprep`` on the command line would exit with.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[BadRequest], tuple[str, int]]:
        return type(self), (str(self), self.code)


class InUse(Error):
    """Another process holds the store in a way that keeps this one out."""


def _anew(text: str, path: Path | None) -> str:
    """Return what to do about a damaged file of a store; empty where the text says it."""
    if path is None or path.parent.parent.name != VIDEOS or "`ttprep " in text:
        return ""
    store = f"--store {shlex.quote(str(path.parents[2]))}"
    return f"; `ttprep verify --read-data {store}` marks it, then `ttprep run {store}` makes it anew"


@contextmanager
def translating() -> Iterator[None]:
    """Turn the errors of the packages behind this one into its own."""
    from pipeline.reading.arrays import GoneError
    from store import DamagedError, LockedError, NoStoreError, StoreError

    try:
        yield
    except (Error, KeyboardInterrupt):
        raise
    except NoStoreError as e:
        raise NoSuchFile(str(e)) from None
    except LockedError as e:
        raise InUse(str(e)) from None
    except GoneError as e:
        raise MissingResult(str(e)) from None
    except DamagedError as e:
        raise Damaged(f"{e}{_anew(str(e), e.path)}") from None
    except StoreError as e:
        raise BadRequest(str(e)) from None
    except OSError as e:
        raise Unreadable(f"{e.filename or 'system'}: cannot be read ({e.strerror or e})") from e


def translated(function: Callable[P, T]) -> Callable[P, T]:
    """Return a function that raises errors of this package in the place of others."""

    @functools.wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> T:
        with translating():
            return function(*args, **kwargs)

    return inner
