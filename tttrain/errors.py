"""Exit codes (those of ``ttprep``) and the error that a user can mend."""

from __future__ import annotations

OK = 0
FAILED = 1
USAGE = 2
CANCELLED = 130


class TrainError(Exception):
    """Something the user can mend: printed as one line, never as a traceback.

    Attributes
    ----------
    code : int
        Exit code.
    """

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
