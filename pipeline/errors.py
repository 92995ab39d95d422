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


def interruption(error: BaseException) -> KeyboardInterrupt | None:
    """Return the ^C that an error came of, if one did: a library that it cuts short may raise its own error.

    Examples
    --------
    >>> try:
    ...     try:
    ...         raise KeyboardInterrupt
    ...     finally:
    ...         raise RuntimeError("unexpected pos")
    ... except RuntimeError as error:
    ...     interruption(error)
    KeyboardInterrupt()
    """
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if isinstance(one, KeyboardInterrupt):
            return one
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            todo += [one.__cause__, one.__context__]
    return None
