"""Where PoseNet's weights come from: a given folder, the environment, the cache, a pinned download.

A checkpoint is a folder in the layout of *posenet-python*: ``manifest.json`` (variable → file name and
shape) and one raw little-endian float32 file a variable.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stages.base import StageError
from stages.downloading import downloader, put, told_in_a_line
from stages.pose.architecture import Model, model_of, variables
from stages.pose.pins import FOLDERS, PINS

ENVIRONMENT = "TTPREP_POSENET_WEIGHTS"
#: The public storage that posenet-python, posenet-pytorch and TensorFlow.js take the checkpoints from.
STORAGE = "https://storage.googleapis.com/tfjs-models/weights/posenet/"

_READ_S = 30.0


@dataclass(frozen=True)
class Weights:
    """A checkpoint on disk that has been read and checked once.

    Attributes
    ----------
    path : Path
        Its folder.
    model : {"0.50", "0.75", "1.0"}
        Told from the shapes.
    sha256 : str
        Hex digest over name and content of every file that the network reads.
    files : tuple of (str, str, tuple of int)
        Variable, file name, shape.
    """

    path: Path
    model: Model
    sha256: str
    files: tuple[tuple[str, str, tuple[int, ...]], ...]

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Variable → float32 array in TensorFlow's layout (kernels HWIO, depthwise HWC1)."""
        return {
            name: np.fromfile(self.path / file, "<f4").astype(np.float32).reshape(shape)
            for name, file, shape in self.files
        }


def cache_folder() -> Path:
    """The user's cache folder for PoseNet: downloaded checkpoints and ONNX files."""
    import platformdirs

    return Path(platformdirs.user_cache_path("ttprep")) / "posenet"


def read_checkpoint(folder: Path, model: Model | None = None) -> Weights:
    """Check a checkpoint folder: complete, of one known model, right sizes, finite values.

    Parameters
    ----------
    folder : Path
        The folder that holds ``manifest.json``, or its parent (as posenet-python keeps it).
    model : {"0.50", "0.75", "1.0"}, optional
        What is wanted; None takes whichever model the folder holds.

    Returns
    -------
    Weights

    Raises
    ------
    StageError
        If the folder is not such a checkpoint, is damaged or holds another model.
    """
    folder = Path(folder).expanduser().absolute()
    if model and not (folder / "manifest.json").is_file() and (folder / FOLDERS[model]).is_dir():
        folder = folder / FOLDERS[model]

    def bad(why: str) -> StageError:
        return StageError(
            f"{folder} holds no usable PoseNet weights: {why}",
            "name a folder with manifest.json and one raw float32 file a variable, "
            "as posenet-python downloads it",
        )

    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        held = {
            str(k): (Path(str(v["filename"])).name, tuple(map(int, v["shape"]))) for k, v in manifest.items()
        }
    except OSError as error:
        raise bad(f"manifest.json: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise bad("manifest.json is not a table of variable, filename and shape") from error

    first = held.get("MobilenetV1/Conv2d_0/biases", ("", ()))[1]
    found = model_of(first)
    if found is None:
        raise bad("it is no MobileNetV1 of width 0.50, 0.75 or 1.0")
    if model is not None and found != model:
        raise StageError(
            f"{folder} holds PoseNet weights of MobileNet {found}, but {model} was asked for",
            f"set the pose stage's model to {found!r} or name a folder with {model} weights",
        )
    digest = hashlib.sha256()
    files = []
    for name, shape in sorted(variables(found).items()):
        if name not in held:
            raise bad(f"variable {name} is missing")
        file, said = held[name]
        if said != shape:
            raise bad(f"{name} has shape {said}, MobileNet {found} needs {shape}")
        try:
            content = (folder / file).read_bytes()
        except OSError as error:
            raise bad(f"{file}: {error.strerror}") from error
        if len(content) != 4 * int(np.prod(shape)):
            raise bad(f"{file} has {len(content)} bytes, needs {4 * int(np.prod(shape))}")
        if not np.isfinite(np.frombuffer(content, "<f4")).all():
            raise bad(f"{file} holds values that are not finite")
        digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
        files.append((name, file, shape))
    return Weights(folder, found, digest.hexdigest(), tuple(files))


def resolve_weights(
    explicit: Path | str | None = None,
    model: Model = "0.75",
    *,
    download: bool = True,
    storage: str = STORAGE,
) -> Weights:
    """Find the weights: the given folder, ``TTPREP_POSENET_WEIGHTS``, the cache, a download.

    Parameters
    ----------
    explicit : Path, optional
        A checkpoint folder. If given, nothing else is tried.
    model : {"0.50", "0.75", "1.0"}
    download : bool
        Whether the network may be used; a file is kept only if its sha256 is the pinned one.
    storage : str
        Address of the folder that holds the published checkpoints.

    Returns
    -------
    Weights

    Raises
    ------
    StageError
        One line: what is missing, why, and the remedies.
    """
    if explicit is not None:
        return read_checkpoint(Path(explicit), model)
    if os.environ.get(ENVIRONMENT):
        return read_checkpoint(Path(os.environ[ENVIRONMENT]), model)
    folder = cache_folder() / FOLDERS[model]
    pins = PINS.get(model)
    if pins is None:
        raise _unavailable(model, "no checksums are pinned for it, so it is never downloaded")
    if all(_sha256(folder / name) == pin for name, pin in pins.items()):
        return read_checkpoint(folder, model)
    if not download:
        raise _unavailable(model, f"they are not in the cache {folder}")
    _download(model, pins, folder, storage)
    return read_checkpoint(folder, model)


@dataclass(frozen=True)
class PinnedFile:
    """One file of a published checkpoint, and whether the cache has it.

    Attributes
    ----------
    name : str
    sha256 : str
        The pinned digest.
    state : {"there", "missing", "other"}
        ``other``: a file of this name with another content.
    """

    name: str
    sha256: str
    state: Literal["there", "missing", "other"]


def pinned_files(model: Model, folder: Path | None = None) -> list[PinnedFile]:
    """Return the files of a published checkpoint, and what a folder has of them.

    Parameters
    ----------
    model : {"0.50", "0.75", "1.0"}
    folder : Path, optional
        Default: the cache.

    Raises
    ------
    StageError
        No checksums are pinned for this model.
    """
    folder = folder or cache_folder() / FOLDERS[model]
    pins = PINS.get(model)
    if pins is None:
        raise _unavailable(model, "no checksums are pinned for it, so it is never downloaded")
    found = []
    for name, pin in sorted(pins.items()):
        digest = _sha256(folder / name)
        state: Literal["there", "missing", "other"] = "missing" if digest is None else "other"
        found.append(PinnedFile(name, pin, "there" if digest == pin else state))
    return found


def fill_cache(
    model: Model, source: Path | None = None, *, folder: Path | None = None, storage: str = STORAGE
) -> Weights:
    """Bring a published checkpoint into the cache, or into another folder.

    Parameters
    ----------
    model : {"0.50", "0.75", "1.0"}
    source : Path, optional
        Folder to copy the files from (or its parent); default: they are downloaded.
    folder : Path, optional
        Where to; default: the cache.
    storage : str
        Address of the folder that holds the published checkpoints.

    Returns
    -------
    Weights

    Raises
    ------
    StageError
        A file is missing or is not the pinned one, the download failed, or the cache cannot be written.
    """
    folder = folder or cache_folder() / FOLDERS[model]
    files = pinned_files(model, folder)
    if source is None:
        if any(f.state != "there" for f in files):
            _download(model, PINS[model], folder, storage)
        return read_checkpoint(folder, model)
    if (source / FOLDERS[model]).is_dir() and not (source / "manifest.json").is_file():
        source = source / FOLDERS[model]
    bad = [f for f in pinned_files(model, source) if f.state != "there"]
    if bad:
        raise StageError(
            f"{source}: {len(bad)} of {len(files)} files are missing or not the pinned ones, such as"
            f" {bad[0].name}",
            "`ttprep weights --check -v` lists their names and checksums",
        )
    try:
        put(folder, {file.name: (source / file.name).read_bytes() for file in files})
    except OSError as error:
        raise _unavailable(model, f"cannot write {folder} ({error.strerror})") from error
    return read_checkpoint(folder, model)


def _unavailable(model: Model, why: str) -> StageError:
    fetched = "`ttprep weights` fetches them, `ttprep weights --from FOLDER` takes them from a folder"
    remedies = [
        f"{fetched} (`ttprep weights --check -v` lists the files)" if model in PINS else "use model '0.75'",
        f"name their folder with --pose-weights, in the manifest or in {ENVIRONMENT}",
        "leave pose out: modalities: [rgb, flow]",
    ]
    return StageError(f"no PoseNet weights for MobileNet {model}: {why}", ", or ".join(remedies))


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _download(model: Model, pins: dict[str, str], folder: Path, storage: str) -> None:
    """Fetch what is missing; pooch writes each file whole and only with the pinned digest."""
    import pooch

    store = pooch.create(
        path=folder,
        base_url=f"{storage.rstrip('/')}/{FOLDERS[model]}/",
        registry={name: f"sha256:{pin}" for name, pin in pins.items()},
    )
    fetch = downloader(_READ_S)
    for name in pins:
        unavailable = partial(_unavailable, model)
        with told_in_a_line(unavailable, store.get_url(name), storage, "file", folder):
            store.fetch(name, downloader=fetch)
