"""What a call asks for, as the request that the pipeline takes."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttprep.errors import BadRequest, translating

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.inputs.manifest import Manifest
    from pipeline.planning.request import Request

PathLike = str | os.PathLike[str]
ManifestLike = PathLike | Mapping[str, Any] | None


@contextmanager
def speaking() -> Iterator[None]:
    """Turn the errors of the pipeline, too, into this package's own."""
    from pipeline.errors import UserError
    from stages.base import StageError

    with translating():
        try:
            yield
        except UserError as e:
            raise BadRequest(str(e), e.code) from None
        except StageError as e:
            raise BadRequest(str(e)) from None


def manifest_of(given: ManifestLike) -> Manifest:
    """Return a manifest: of a file, of its keys and values, or ``data_manifest.yaml`` of the working folder.

    Raises
    ------
    BadRequest
        It cannot be used; each line of the text names a key and what is wrong with it.
    """
    from pydantic import ValidationError

    from pipeline.inputs.manifest import Manifest, read_manifest

    if not isinstance(given, Mapping):
        with speaking():
            return read_manifest(Path(given) if given is not None else None)
    try:
        return Manifest(**dict(given))
    except ValidationError as e:
        lines = [f"{'.'.join(map(str, p['loc'])) or 'manifest'}: {p['msg']}" for p in e.errors()]
        raise BadRequest("\n".join(lines), 2) from None
    except TypeError as e:
        raise BadRequest(f"a manifest is a mapping of names to values ({e})", 2) from None


def request_of(
    paths: PathLike | Iterable[PathLike],
    stages: str | Iterable[str],
    store: PathLike | None,
    manifest: ManifestLike,
    pose_weights: PathLike | None,
    **where: Any,
) -> Request:
    """Return the request of a call; ``where`` are fields of :class:`pipeline.planning.request.Where`."""
    from pipeline.planning.request import Request, Where

    read = manifest_of(manifest)
    return Request(
        read,
        Path(store) if store is not None else read.resolve(read.store),
        paths_of(paths),
        (stages,) if isinstance(stages, str) else tuple(stages),
        Where(**where),
        pose_weights=Path(pose_weights) if pose_weights is not None else None,
    )


def paths_of(paths: PathLike | Iterable[PathLike]) -> tuple[Path, ...]:
    """Return one path or several as a tuple."""
    if isinstance(paths, (str, os.PathLike)):
        return (Path(paths),)
    return tuple(Path(p) for p in paths)


def silent() -> Console:
    """Return a console that prints nothing, and that nothing takes for a terminal."""
    from rich.console import Console

    return Console(file=io.StringIO(), quiet=True, force_terminal=False, force_interactive=False)
