"""Exit codes and errors of the command line; the codes follow restic's."""

from __future__ import annotations

OK = 0
FAILED = 1
USAGE = 2
SOME_FAILED = 3
WORK_TO_DO = 4
UNREADABLE = 5
NO_STORE = 10
LOCKED = 11
CANCELLED = 130


class UserError(Exception):
    """Something the user can mend: printed as one line, never as a traceback.

    Attributes
    ----------
    code : int
        Exit code.
    """

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
