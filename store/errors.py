"""What can go wrong with a store, in words a user can act on."""

from __future__ import annotations


class StoreError(Exception):
    """Base class; the message says what happened, why, and what to do."""


class NoStoreError(StoreError):
    """There is no store at that place, or what is there is something else."""


class LockedError(StoreError):
    """Another process holds the store in a way that excludes this one."""


class DamagedError(StoreError):
    """A file's bytes are not those that were published."""


class ForeignError(StoreError):
    """Something that ttprep did not make lies where it would have to write."""
