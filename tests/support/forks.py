"""Command lines in processes of their own that need not import everything anew.

A keeper, one for each process of the suite, imports what the commands import; each call is a fork of it with
its own folder, environment and output. What decides how Python itself starts (locale, ``PYTHON…``, preloaded
libraries) cannot be given to a fork: such calls start a fresh interpreter (:func:`serves`).
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: beginnings of the names of variables that are read when the interpreter or a library starts
_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "HDF5_", "OMP_", "OPENBLAS_", "MKL_", "DASK_", "XDG_", "HOME")
_keeper: subprocess.Popen[bytes] | None = None
_line: socket.socket | None = None
_started_with: dict[str, str] = {}


def serves(variables: Mapping[str, str]) -> bool:
    """Tell whether a fork of the keeper is what a fresh interpreter with these variables would be."""
    return _at_start(variables) == (_started_with or _at_start(os.environ))


def run(
    words: Sequence[str], cwd: Path, variables: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run ``ttprep`` with these words.

    Raises
    ------
    subprocess.TimeoutExpired
        After ``timeout`` seconds; the command and all that it started are killed.
    """
    line = _start()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        request = json.dumps({"words": words, "cwd": str(cwd), "variables": dict(variables)}).encode()
        socket.send_fds(line, [len(request).to_bytes(4, "big")], [out.fileno(), err.fileno()])
        line.sendall(request)
        line.settimeout(timeout)
        try:
            code = int.from_bytes(line.recv(4), "big", signed=True)
        except TimeoutError:
            stop()
            raise subprocess.TimeoutExpired(["ttprep", *words], timeout) from None
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="strict"))
    return subprocess.CompletedProcess(["ttprep", *words], code, *texts)


def stop() -> None:
    """End the keeper, and whatever it still runs."""
    global _keeper, _line
    if _keeper is not None and _line is not None:
        _line.close()
        os.killpg(_keeper.pid, signal.SIGKILL)
        _keeper.wait()
    _keeper = _line = None
    _started_with.clear()


def _at_start(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(_AT_START)}


def _start() -> socket.socket:
    global _keeper, _line
    if _keeper is None or _keeper.poll() is not None or _line is None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tests.support.forks", str(theirs.fileno())]
        root = Path(__file__).parents[2]
        _keeper = subprocess.Popen(
            command, cwd=root, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
        )
        theirs.close()
        _line = ours
        _started_with.update(_at_start(os.environ))
        atexit.register(stop)
    return _line


def _keep(line: socket.socket) -> dict[str, Any] | None:
    """Fork for each request until the line is closed; return the request in the fork, None in the keeper."""
    while True:
        head, files, _, _ = socket.recv_fds(line, 4, 2)
        if len(head) < 4:
            return None
        size, text = int.from_bytes(head, "big"), b""
        while len(text) < size:
            text += line.recv(size - len(text))
        child = os.fork()
        if child == 0:
            for target, file in zip((1, 2), files, strict=True):
                os.dup2(file, target)
                os.close(file)
            line.close()
            return dict(json.loads(text))
        for file in files:
            os.close(file)
        _, status = os.waitpid(child, 0)
        line.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))


def _preload() -> None:
    """Import what most commands import."""
    import av
    import cv2
    import distributed
    import h5py
    import hdf5plugin
    import joblib
    import onnxruntime
    import skimage  # noqa: F401

    import pipeline.dataset.command
    import pipeline.execution.on_dask
    import pipeline.run  # noqa: F401
    import stages.registry

    del av, cv2, distributed, h5py, hdf5plugin, joblib, onnxruntime
    stages.registry.registry()


def _main() -> None:
    from pipeline.cli.main import main

    _preload()
    request = _keep(socket.socket(fileno=int(sys.argv[1])))
    if request is None:
        return
    os.environ.clear()
    os.environ.update(request["variables"])
    os.chdir(request["cwd"])
    sys.argv = ["ttprep", *request["words"]]
    code = 0
    try:
        main(request["words"], prog_name="ttprep")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    # what a fork inherits of the libraries' threads cannot be taken down: leave without their destructors
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _main()
