"""Prepare a new video as the run's own record says its training videos were, not as today's manifest does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pipeline.errors import USAGE, UserError
from pipeline.inputs.focus import read_foci
from pipeline.inputs.manifest import Manifest
from pipeline.planning.graph import wanted_stages
from stages.base import Derived, Params
from stages.registry import registry

if TYPE_CHECKING:
    from tttrain.evaluation.along_time.new_video import Needs


def goals(needs: Needs) -> tuple[str, ...]:
    """Return the stages whose results the network reads."""
    return ("untrimmed", *(("descriptor",) if "pose" in needs.inputs else ()))


def manifest_for(needs: Needs, today: Manifest) -> Manifest:
    """Return a manifest that makes what the network reads, as it was made when the network was trained.

    Parameters
    ----------
    needs : Needs
    today : Manifest
        Gives places and what is said of single videos, and no parameter of a stage.

    Raises
    ------
    UserError
        A stage does not take parameters that are recorded.
    """
    plain = today.model_copy(
        update={
            "modalities": tuple(needs.inputs), "untrimmed": True, "annotations": (), "sources": (),
            "dataset": None, "stages": {},
        }
    )  # fmt: skip
    stages: dict[str, Params] = {}
    for name in wanted_stages(plain, goals(needs)):
        stage = registry()[name]
        given = dict(needs.stages.get(name, {}))
        if name == "untrimmed":  # a dataset without whole videos has no parameters of theirs
            given = dict(zip(("crop_width", "crop_height"), needs.record.data.crop, strict=True))
        values = {k: v for k, v in given.items() if k not in (*stage.hidden, stage.focus, "fps")}
        try:
            stages[name] = stage.params(**values)
        except ValidationError as e:
            first = e.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UserError(
                f"{needs.name}: stage {name} does not take the {where} that is recorded ({first['msg']}); "
                "install the ttprep that made its dataset, or export that again and train on it"
            ) from None
    return plain.model_copy(update={"stages": stages})


def with_focus(manifest: Manifest, word: str) -> Manifest:
    """Return a manifest in which the player of every video is where a word says.

    Raises
    ------
    UserError
        It is no such word.
    """
    try:
        foci = read_foci(word)
    except ValueError as e:
        raise UserError(f"--focus {word}: {e}", USAGE) from None
    videos = tuple(entry.model_copy(update={"focus": foci}) for entry in manifest.videos)
    return manifest.model_copy(update={"focus": foci, "videos": videos})


def at_rate(manifest: Manifest, rate: float) -> Manifest:
    """Return a manifest whose frames are taken at even steps, so many a second."""
    frames = registry()["frames"]
    given = manifest.params(frames).model_copy(update={"rate": float(rate)})
    return manifest.model_copy(update={"stages": {**manifest.stages, "frames": given}})


def changed_since(needs: Needs, names: Iterable[str], derived: Mapping[str, Derived[Any]]) -> list[str]:
    """Say in a line what is another now than when the network was trained: stages, weights."""
    versions = [
        f"{name} {needs.stage_versions[name]} → {registry()[name].version}"
        for name in names
        if name in needs.stage_versions and needs.stage_versions[name] != registry()[name].version
    ]
    found = []
    if versions:
        found.append(
            f"stages have changed since {needs.name} was trained ({', '.join(versions)}): what the network "
            "reads may differ a little from what it learned"
        )
    for name, now in derived.items():
        values = now.params.model_dump(mode="json")
        then = needs.stages.get(name, {})
        other = [k for k in registry()[name].hidden if then.get(k) and values.get(k) not in ("", then[k])]
        if other:
            found.append(f"{name} has other {', '.join(other)} than when {needs.name} was trained")
    return found
