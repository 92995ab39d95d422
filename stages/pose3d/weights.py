"""Where BlazePose's networks come from: a given folder, the environment, the cache, a pinned archive."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stages.base import StageError
from stages.downloading import downloader, put, told_in_a_line
from stages.pose3d.params import Model
from stages.pose3d.pins import ARCHIVE, ARCHIVE_SHA256, PINS, files_of

ENVIRONMENT = "TTPREP_BLAZEPOSE_WEIGHTS"

_READ_S = 60.0
Pins = Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Networks:
    """The files of a model on disk, read and hashed once.

    Attributes
    ----------
    folder : Path
    detector, landmarks : Path
    sha256 : str
        Hex digest over name and content of both.
    published : bool
        Whether both are the pinned ones.
    """

    folder: Path
    detector: Path
    landmarks: Path
    sha256: str
    published: bool


def cache_folder() -> Path:
    """The user's cache folder for BlazePose."""
    import platformdirs

    return Path(platformdirs.user_cache_path("ttprep")) / "blazepose"


def digest_of(digests: Mapping[str, str]) -> str:
    """Return the digest of several files, of file name → sha256."""
    text = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def published_digest(model: Model) -> str:
    """Return :attr:`Networks.sha256` of the published files of a model."""
    return digest_of({name: PINS[name][1] for name in files_of(model)})


def read_folder(folder: Path, model: Model) -> Networks:
    """Look at a folder with the networks of a model.

    Parameters
    ----------
    folder : Path
    model : {"lite", "full", "heavy"}

    Raises
    ------
    StageError
        A file is missing or cannot be read.
    """
    folder = Path(folder).expanduser().absolute()
    digests = {}
    for name in files_of(model):
        try:
            digests[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError as e:
            raise StageError(
                f"{folder / name} cannot be read ({e.strerror})",
                f"`ttprep weights pose3d` fetches it, or name a folder with"
                f" {' and '.join(files_of(model))} in {ENVIRONMENT}",
            ) from e
    detector, landmarks = (folder / name for name in files_of(model))
    known = all(digests[name] == PINS[name][1] for name in digests)
    return Networks(folder, detector, landmarks, digest_of(digests), known)


def resolve_networks(model: Model = "full", *, download: bool = True, archive: str = ARCHIVE) -> Networks:
    """Find the networks: ``TTPREP_BLAZEPOSE_WEIGHTS``, the cache, a download.

    Parameters
    ----------
    model : {"lite", "full", "heavy"}
    download : bool
        Whether the network may be used; nothing is kept but what has the pinned sha256.
    archive : str
        Address of the pinned archive.

    Raises
    ------
    StageError
        One line: what is missing, why, and the remedies.
    """
    if os.environ.get(ENVIRONMENT):
        return read_folder(Path(os.environ[ENVIRONMENT]), model)
    folder = cache_folder()
    if any(pinned(name, folder) != "there" for name in files_of(model)):
        if not download:
            raise _unavailable(f"they are not in the cache {folder}")
        fill_cache(archive=archive)
    return read_folder(folder, model)


def pinned(name: str, folder: Path | None = None) -> Literal["there", "missing", "other"]:
    """Tell whether a folder (default: the cache) has a published file; ``other``: with another content."""
    try:
        content = ((folder or cache_folder()) / name).read_bytes()
    except OSError:
        return "missing"
    return "there" if hashlib.sha256(content).hexdigest() == PINS[name][1] else "other"


def fill_cache(
    source: Path | None = None,
    *,
    archive: str = ARCHIVE,
    archive_sha256: str = ARCHIVE_SHA256,
    pins: Pins = PINS,
) -> Path:
    """Bring the published networks into the cache; return its folder.

    Parameters
    ----------
    source : Path, optional
        The published archive, or a folder with the files; default: the archive is downloaded.
    archive, archive_sha256, pins
        Where it is published, its digest, and those of the files in it.

    Raises
    ------
    StageError
        The download failed, the archive or a file is not the pinned one, or the cache cannot be written.
    """
    folder = cache_folder()
    if source is not None and source.is_dir():
        contents = _of_folder(source, pins)
    elif source is not None:
        contents = _of_archive(source, archive_sha256, pins)
    else:
        temporary = _download(archive, archive_sha256, folder)
        try:
            contents = _of_archive(temporary, archive_sha256, pins)
        finally:
            temporary.unlink(missing_ok=True)
    try:
        put(folder, contents)
    except OSError as e:
        raise _unavailable(f"cannot write {folder} ({e.strerror})") from e
    return folder


def _of_folder(folder: Path, pins: Pins) -> dict[str, bytes]:
    contents = {}
    for name, (_, digest) in pins.items():
        try:
            contents[name] = (folder / name).read_bytes()
        except OSError as e:
            raise StageError(
                f"{folder / name}: cannot be read ({e.strerror})", f"name a folder with {', '.join(pins)}"
            ) from e
        if hashlib.sha256(contents[name]).hexdigest() != digest:
            raise StageError(
                f"{folder / name}: is not the published file",
                f"`ttprep weights pose3d` fetches it; {ENVIRONMENT} takes a folder with any",
            )
    return contents


def _of_archive(path: Path, sha256: str, pins: Pins) -> dict[str, bytes]:
    """Return the files out of the archive; nothing of it is unpacked that is not asked for."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as e:
        raise StageError(f"{path}: cannot be read ({e.strerror})", "name the archive, or a folder") from e
    if digest != sha256:
        raise StageError(
            f"{path}: is not the published archive (sha256 {digest[:16]}…, not {sha256[:16]}…)",
            f"name {ARCHIVE.rpartition('/')[2]} of the npm package @mediapipe/pose as it was downloaded",
        )
    contents = {}
    with tarfile.open(path, "r:gz") as tar:
        for name, (member, wanted) in pins.items():
            inner = tar.extractfile(member)
            contents[name] = inner.read() if inner is not None else b""
            if hashlib.sha256(contents[name]).hexdigest() != wanted:
                raise StageError(f"{path}: {member} in it is not the published file")
    return contents


def _download(archive: str, sha256: str, folder: Path) -> Path:
    """Fetch the archive; pooch writes it whole and only with the pinned digest."""
    import pooch

    fetch = downloader(_READ_S) if archive.startswith("http") else None
    name = f".{archive.rpartition('/')[2]}.{os.getpid()}"
    with told_in_a_line(_unavailable, archive, archive, "archive", folder):
        return Path(pooch.retrieve(archive, f"sha256:{sha256}", name, folder, downloader=fetch))


def _unavailable(why: str) -> StageError:
    remedies = (
        "`ttprep weights pose3d` fetches them, `ttprep weights pose3d --from FILE` takes them"
        f" from their archive, or name their folder in {ENVIRONMENT}"
    )
    return StageError(f"no BlazePose networks: {why}", remedies)
