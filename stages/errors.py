"""What a stage raises; :mod:`stages.base` has it too."""

from __future__ import annotations


class StageError(Exception):
    """A stage cannot work on this input.

    Attributes
    ----------
    reason : str
        What is wrong, in a user's words.
    remedy : str
        What to do about it.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason, remedy)
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.reason}; {self.remedy}" if self.remedy else self.reason
