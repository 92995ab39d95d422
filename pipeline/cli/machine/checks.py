"""What ``ttprep doctor`` looks at."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: distributions whose versions matter, besides ttprep's own
LIBRARIES = (
    "numpy", "opencv-contrib-python-headless", "h5py", "hdf5plugin", "av", "onnxruntime", "dask",
    "distributed", "pydantic", "click", "rich", "matplotlib", "torch",
)  # fmt: skip
#: decoders of what cameras and telephones record
DECODERS = ("h264", "hevc", "mpeg4", "mjpeg", "vp9", "av1", "prores", "dvvideo")
#: less free space than this makes a run of any use fail, bytes
LEAST_FREE = 1 << 30


@dataclass(frozen=True)
class Check:
    """One thing that a run needs.

    Attributes
    ----------
    name : str
    problem : str
        What is wrong, with its remedy; empty: nothing.
    """

    name: str
    problem: str = ""


def facts(root: Path, pose_weights: Path | None = None) -> dict[str, Any]:
    """Return what installation and machine are, for people and as JSON values.

    Parameters
    ----------
    root : Path
        Of the store, which need not be there.
    pose_weights : Path or None
        Folder that the manifest names.
    """
    from pipeline.execution.cluster import cores

    place = _existing(root)
    disk = shutil.disk_usage(place)
    return {
        "ttprep": _version("ttprep"),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": " ".join((platform.system(), platform.release(), platform.machine(), *platform.libc_ver())),
        "libraries": ", ".join(f"{name} {_version(name)}" for name in LIBRARIES),
        "ffmpeg": _ffmpeg(),
        "decoders": ", ".join(name if there else f"{name} MISSING" for name, there in _decoders().items()),
        "flow engine": _engine(),
        "cores": cores(),
        "load": f"{os.getloadavg()[0]:.1f} in the last minute" if hasattr(os, "getloadavg") else "unknown",
        "memory": _memory(),
        "weights": _weights(pose_weights),
        "store": str(root.absolute()) + ("" if root.exists() else " (not made yet)"),
        "locks": ", ".join(sorted(p.name for p in (root / "locks").glob("*"))) or "none",
        "file system": f"{_file_system(place)}, {disk.free / 1e9:.1f} of {disk.total / 1e9:.1f} GB free",
    }


def checks(root: Path) -> list[Check]:
    """Try what a run needs of this machine and of the disk of the store.

    Parameters
    ----------
    root : Path
        Of the store, which need not be there: then its first existing folder is tried. Nothing stays there.
    """
    tried: tuple[tuple[str, Callable[[], str]], ...] = (
        ("decoding", _try_decoding),
        ("flow", _try_flow),
        ("HDF5 codecs", _try_codecs),
        ("writing, replacing, locking", lambda: _try_disk(_existing(root))),
        ("free space", lambda: _try_space(_existing(root))),
    )
    found = []
    for name, attempt in tried:
        try:
            found.append(Check(name, attempt()))
        except Exception as e:  # whatever it is, that is the finding
            found.append(Check(name, " ".join(f"{type(e).__name__}: {e}".split())[:300]))
    return found


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _existing(path: Path) -> Path:
    path = path.absolute()
    return next(p for p in (path, *path.parents) if p.is_dir())


def _ffmpeg() -> str:
    import av

    return ", ".join(f"{name} {'.'.join(map(str, version))}" for name, version in av.library_versions.items())


def _decoders() -> dict[str, bool]:
    import av

    found = {}
    for name in DECODERS:
        found[name] = False
        for word in (name, f"lib{'dav1d' if name == 'av1' else name}"):
            with contextlib.suppress(ValueError, av.FFmpegError):
                av.codec.Codec(word, "r")
                found[name] = True
    return found


def _engine() -> str:
    from stages.flow.engine import chosen_variant, variants

    return f"{chosen_variant()} (this processor runs {', '.join(variants())})"


def _memory() -> str:
    import psutil

    memory = psutil.virtual_memory()
    return f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB available"


def _weights(folder: Path | None) -> str:
    from stages.base import StageError
    from stages.pose.weights import resolve_weights

    try:
        found = resolve_weights(folder, download=False)
    except StageError as e:
        return f"none: {e}"
    return f"PoseNet {found.model} in {found.path}, sha256 {found.sha256[:16]}"


def _file_system(place: Path) -> str:
    """Return the kind of file system that a folder lies on, as Linux names it."""
    import psutil

    parts = [p for p in psutil.disk_partitions(all=True) if place.is_relative_to(p.mountpoint)]
    return max(parts, key=lambda p: len(p.mountpoint)).fstype if parts else "unknown"


def _try_decoding() -> str:
    lacking = [name for name in ("h264", "hevc", "mpeg4", "mjpeg") if not _decoders()[name]]
    remedy = "install PyAV from its wheel: `pip install --force-reinstall av`"
    return f"no decoder for {', '.join(lacking)}; {remedy}" if lacking else ""


def _try_flow() -> str:
    import numpy as np

    from stages.flow import irls_flow

    rng = np.random.default_rng(0)
    first = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
    flow = irls_flow(first, np.roll(first, 1, axis=1))
    return "" if np.isfinite(flow).all() else "the flow of a test picture is not finite; report this"


def _try_codecs() -> str:
    import h5py
    import hdf5plugin  # noqa: F401  (registers them)

    codecs = {"Zstd": 32015, "Bitshuffle": 32008, "LZ4": 32004}  # as registered with the HDF Group
    lacking = [name for name, number in codecs.items() if not h5py.h5z.filter_avail(number)]
    return f"no {', '.join(lacking)}; `pip install --force-reinstall hdf5plugin`" if lacking else ""


def _try_disk(place: Path) -> str:
    """Do what a store does: write, sync, replace, hold a lock that keeps another out."""
    from store import LockedError, Store, StoreError

    try:
        with tempfile.TemporaryDirectory(prefix=".ttprep-doctor-", dir=place) as folder:
            old, new = Path(folder) / "a", Path(folder) / "b"
            for path, text in ((old, b"old"), (new, b"new")):
                with path.open("wb") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
            new.replace(old)
            if old.read_bytes() != b"new":
                return f"{place}: a replaced file shows its old content; put the store on another disk"
            store = Store.create(Path(folder) / "store")
            with store.lock("gc"):
                try:
                    with store.lock("run"):
                        return f"{place}: a lock keeps nobody out; put the store on another disk"
                except LockedError:
                    return ""
    except OSError as e:
        return f"{place}: cannot be written ({e.strerror}); give another --store"
    except StoreError as e:
        return str(e)


def _try_space(place: Path) -> str:
    free = shutil.disk_usage(place).free
    said = f"{place}: only {free / 1e6:.0f} MB are free; make room or give another --store"
    return "" if free >= LEAST_FREE else said
