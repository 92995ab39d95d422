"""``ttprep`` and ``python -m pipeline.cli``: ^C means the same from the first line to the last."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType

from pipeline.errors import CANCELLED


def main() -> None:
    """Run ``ttprep`` and exit with its code.

    ``tttrain`` begins and ends like this too; it imports nothing of this package.
    """
    code: str | int | None = CANCELLED
    try:
        with _nothing_begun():
            from pipeline.cli.main import main as command
        command()
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:  # between two lines of what turns it into a message
        print("cancelled", file=sys.stderr)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done: another ^C shall not change the code
    if code == CANCELLED:
        _leave(CANCELLED)
    sys.exit(code)


@contextlib.contextmanager
def _nothing_begun() -> Iterator[None]:
    """Let ^C end the process at once: within an import it may become any error of any library."""

    def end(number: int, frame: FrameType | None) -> None:
        os.write(2, b"cancelled\n")
        os._exit(CANCELLED)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # ignored, as in the background of a shell
        yield
        return
    signal.signal(signal.SIGINT, end)
    yield
    signal.signal(signal.SIGINT, before)


def _leave(code: int) -> None:
    """End the process without taking the interpreter down.

    ^C within the start of a thread hides that thread from all who would wait for it. Python's exit cuts it
    off: in C++ that aborts the process, under the lock of h5py the exit waits for ever.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the reader went away
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
