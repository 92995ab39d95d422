"""What can go wrong with a store, in words a user can act on."""

from __future__ import annotations

from pathlib import Path


class StoreError(Exception):
    """Base class; the message says what happened, why, and what to do."""


class NoStoreError(StoreError):
    """There is no store at that place, or what is there is something else."""


class LockedError(StoreError):
    """Another process holds the store in a way that excludes this one."""


class DamagedError(StoreError):
    """A file's bytes are not those that were published.

    Attributes
    ----------
    path : Path or None
        The file, where one is known.
    """

    def __init__(self, message: str, path: Path | None = None) -> None:
        super().__init__(message)
        self.path = path

    @property
    def reason(self) -> str:
        """The message without the file's name."""
        return str(self).removeprefix(f"{self.path}: ")

    def __reduce__(self) -> tuple[type[DamagedError], tuple[str, Path | None]]:
        return type(self), (str(self), self.path)


class ForeignError(StoreError):
    """Something that ttprep did not make lies where it would have to write."""
