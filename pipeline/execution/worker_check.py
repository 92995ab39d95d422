"""What a worker on another machine must have in common with the client; looked at by the worker itself.

Results are named by what they were computed from, so a worker that runs other code, or other versions of the
libraries whose output is stored, would leave other bytes under the right names. It is refused before it gets
a job, and so is one that lacks the store, the videos, the weights or the memory.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.provenance import LIBRARIES, adopt, provenance

#: packages whose code computes and stores results
PACKAGES = ("stages", "pipeline", "store")
#: within them, what only the client runs
_CLIENTS = ("pipeline/cli/", "pipeline/report/")
#: memory that a worker has at least, bytes: Dask gives it no more jobs from 80 % of its limit on, and what is
#: imported with blocks of 50 frames takes 0.28 GB
LEAST_MEMORY = 360_000_000
#: how long another machine's files may take to be seen, s
VISIBLE_WITHIN = 5.0
_MISSING = "missing"
#: distributions that decide bytes of single stages, beside those that every file names
_MORE = ("scipy", "scikit-image", "ai-edge-litert")
#: what to do about what a machine does not see
SHARE = "use a folder that all machines share under one path"


@dataclass(frozen=True)
class Expected:
    """What the client has, and a worker must have.

    Attributes
    ----------
    code : str
        :func:`code_digest`.
    engine : str
        :func:`engine_digest`.
    libraries : mapping of str to str
        :func:`library_versions`.
    root : Path
        The store.
    token : str
        Name of a file in the store that exists as long as the run; empty: none.
    videos : tuple of Path
        Some of the videos, one of each folder.
    weights : tuple of (str, str) or None
        Folder and digest of PoseNet's weights; None where no stage needs them.
    host : str
        Of the client.
    provenance : mapping of str to str
        What results say of the versions that made them.
    """

    code: str
    engine: str
    libraries: Mapping[str, str]
    root: Path
    token: str
    videos: tuple[Path, ...]
    weights: tuple[str, str] | None
    host: str
    provenance: Mapping[str, str]


def expected(root: Path, environment: Mapping[str, str], videos: Iterable[Path]) -> Expected:
    """Return what workers of this client must have.

    Parameters
    ----------
    root : Path
        The store; a run holds a lock on it, whose file workers must see.
    environment : mapping of str to str
        Variables of the run: where the weights lie.
    videos : iterable of Path
    """
    from stages.pose.weights import ENVIRONMENT, read_checkpoint
    from store.names import LOCKS

    locks = sorted((root / LOCKS).glob(f"run-{socket.gethostname()}-{os.getpid()}-*.json"))
    folder = environment.get(ENVIRONMENT)
    one_each = {path.parent: path.absolute() for path in videos}
    return Expected(
        code_digest(),
        engine_digest(),
        library_versions(),
        root.absolute(),
        f"{LOCKS}/{locks[-1].name}" if locks else "",
        tuple(one_each.values()),
        (folder, read_checkpoint(Path(folder)).sha256) if folder else None,
        socket.gethostname(),
        provenance(),
    )


@cache
def code_digest() -> str:
    """Return the sha256 of the Python code that makes results, other distributions' stages too.

    The digest is that of the files as they were when this process asked first, which is when it imports them.
    """
    digest = hashlib.sha256()
    for name, path in _sources():
        digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _sources() -> Iterator[tuple[str, Path]]:
    from stages.registry import registry

    roots = {stage.compute.__module__.partition(".")[0] for stage in registry().values()}
    for package in sorted(roots.union(PACKAGES)):
        file = getattr(sys.modules.get(package) or __import__(package), "__file__", None)
        if file is None:
            continue
        if Path(file).name != "__init__.py":  # a module of its own
            yield package, Path(file)
            continue
        folder = Path(file).parent
        for path in sorted(folder.rglob("*.py")):
            name = f"{package}/{path.relative_to(folder).as_posix()}"
            if not name.startswith(_CLIENTS):
                yield name, path


@cache
def engine_digest() -> str:
    """Return the sha256 of the flow that the compiled engine computes for a small picture.

    The file itself differs between two builds of one source.
    """
    import numpy as np

    from stages.flow import irls_flow

    y, x = np.mgrid[:48, :64]
    first = ((x * y * 3 + x * 5 + y * 7) % 251).astype(np.uint8)
    return hashlib.sha256(irls_flow(first, np.roll(first, 1, axis=1)).tobytes()).hexdigest()


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that decide the bytes of results, by distribution."""
    found = {}
    for name in (*LIBRARIES, *_MORE):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = _MISSING
    return found


def prepare_worker(environment: Mapping[str, str], client: Mapping[str, str]) -> None:
    """Hold this process to one thread per library, and give it the variables and versions of the run."""
    import cv2
    from threadpoolctl import threadpool_limits

    os.environ.update(environment)
    adopt(client)
    cv2.setNumThreads(1)
    threadpool_limits(1)


def refusal(here: Expected, memory: int | None, threads: int) -> str:
    """Return why this process cannot work for the client, with a remedy; empty where it can.

    Parameters
    ----------
    here : Expected
        What the client has.
    memory : int or None
        The worker's limit, bytes.
    threads : int
        Jobs that it may do at once.
    """
    return (
        _other_code(here)
        or _little_memory(memory, threads)
        or _other_store(here)
        or _no_videos(here)
        or _no_weights(here)
    )


def _other_code(here: Expected) -> str:
    own = library_versions()
    for name, version in here.libraries.items():
        if version not in (_MISSING, own.get(name, _MISSING)):
            return (
                f"has {name} {own.get(name, _MISSING)}, {here.host} has {version}; "
                "install the same versions there, and start it again"
            )
    if code_digest() != here.code:
        return (
            f"runs other code of ttprep (digest {code_digest()[:12]}, that of {here.host} is "
            f"{here.code[:12]}); install this ttprep there too, and start it again"
        )
    if engine_digest() != here.engine:
        return (
            f"computes another flow than {here.host} with its compiled engine; install this ttprep there "
            "with `pip install --force-reinstall --no-deps`, which builds it anew, and start it again"
        )
    return ""


def _little_memory(memory: int | None, threads: int) -> str:
    if not memory or memory >= threads * LEAST_MEMORY:
        return ""
    return (
        f"has {memory / 1e6:.0f} MB of memory for {threads} jobs at a time, which need "
        f"{threads * LEAST_MEMORY / 1e6:.0f} MB; "
        "give it more with `--memory-limit`, or `memory:` in the manifest's section cluster"
    )


def _other_store(here: Expected) -> str:
    from store import NoStoreError, Store, StoreError
    from store.atomic import temp_name
    from store.names import MARKER

    try:
        Store.open(here.root)
    except (NoStoreError, StoreError, OSError):
        return f"does not see the store {here.root}; {SHARE}"
    if here.token and not _seen(here.root / here.token):
        return f"sees another store at {here.root} than {here.host} (no {here.token} in it); {SHARE}"
    probe = temp_name(here.root / MARKER)
    try:
        with probe.open("xb") as file:
            file.write(b"ttprep")
        probe.unlink()
    except OSError as e:
        return f"cannot write to the store {here.root} ({e.strerror}); give its user the right to"
    return ""


def _seen(path: Path) -> bool:
    deadline = time.monotonic() + VISIBLE_WITHIN
    while not path.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
        os.listdir(path.parent)  # makes NFS ask anew
    return True


def _no_videos(here: Expected) -> str:
    for path in here.videos:
        try:
            if path.is_dir():
                os.listdir(path)
            else:
                with path.open("rb") as file:
                    file.read(1)
        except OSError as e:
            return f"does not see {path} ({e.strerror}), which {here.host} sees; {SHARE}"
    return ""


def _no_weights(here: Expected) -> str:
    from stages.base import StageError
    from stages.pose.weights import read_checkpoint

    if here.weights is None:
        return ""
    folder, digest = here.weights
    try:
        found = read_checkpoint(Path(folder)).sha256
    except StageError as e:
        reason = str(e).partition("; ")[0]
        return (
            f"lacks PoseNet's weights ({reason}); copy those of {here.host} there, or name a folder that "
            "all machines share with --pose-weights"
        )
    if found != digest:
        return (
            f"has other PoseNet weights in {folder}; copy those of {here.host} there, or name a folder that "
            "all machines share with --pose-weights"
        )
    return ""
