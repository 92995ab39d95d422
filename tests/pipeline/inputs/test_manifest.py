"""The manifest: defaults, and errors that name file, line and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import USAGE, UserError
from pipeline.inputs.manifest import Manifest, read_manifest
from pipeline.inputs.manifest_template import template
from stages.registry import registry
from tests.support import ROOT


def read(tmp_path: Path, text: str) -> Manifest:
    path = tmp_path / "data_manifest.yaml"
    path.write_text(text, encoding="utf-8")
    return read_manifest(path)


def test_the_documented_default_is_what_init_writes_and_equals_no_manifest() -> None:
    path = ROOT / "data_manifest.yaml"
    assert path.read_text(encoding="utf-8") == template()
    read = read_manifest(path)
    for stage in registry().values():
        assert read.params(stage) == Manifest().params(stage)
    assert read.model_dump(exclude={"stages"}) == Manifest().model_dump(exclude={"stages"})


def test_defaults_are_the_three_stream_papers() -> None:
    flow = Manifest().params(registry()["flow"]).model_dump()
    assert {k: flow[k] for k in ("alpha", "ratio", "min_width", "n_outer", "n_inner", "n_sor")} == {
        "alpha": 0.012, "ratio": 0.75, "min_width": 20, "n_outer": 7, "n_inner": 1, "n_sor": 30,
    }  # fmt: skip
    assert len(Manifest().classes) == 21
    frames = Manifest().params(registry()["frames"]).model_dump()
    assert (frames["width"], frames["height"]) == (320, 180)
    cuboids = Manifest().params(registry()["cuboids"]).model_dump()
    assert (cuboids["crop_width"], cuboids["crop_height"], cuboids["length"]) == (120, 120, 100)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("version: 1\nstagse: {}\n", 2, ["stagse", "did you mean 'stages'"]),
        ("stages:\n  flwo: {}\n", 2, ["flwo", "did you mean 'flow'"]),
        ("stages:\n  flow:\n    alpah: 1\n", 3, ["alpah", "did you mean 'alpha'"]),
        ("stages:\n  roi:\n    alpha: 1.5\n", 3, ["stages.roi.alpha", "less than or equal to 1", "1.5"]),
        ("stages:\n  frames:\n    width: wide\n", 3, ["stages.frames.width", "integer", "'wide'"]),
        ("stages:\n  frames:\n    fit: squash\n", 3, ["stages.frames.fit", "'pad', 'crop' or 'stretch'"]),
        ("modalities: [rgb, sound]\n", 1, ["modalities.1", "'sound'"]),
        ("modalities: [rgb, rgb]\n", 1, ["none twice"]),
        ("splits:\n  train: 0.9\n", 1, ["must be 1"]),
        ("version: 2\n", 1, ["version"]),
        ("version: 1\n\ntaxonomy: colours\n", 3, [": taxonomy: 'colours' is unknown; known: detection,"]),
        ("taxonomies: [{name: mine, classes: {A: 1}}]\ntaxonomy: mine\n", 1, ["taxonomies.0"]),
        ("videos:\n  - path: a.mp4\n    fsp: 3\n", 3, ["fsp", "did you mean"]),
        ("a: 1\na: 2\n", 2, ["given twice"]),
        ("store: !!python/object/apply:os.system ['true']\n", 1, ["tag"]),
        ("store: &a x\nvideos: [*a]\n", 1, ["anchors"]),
        ("store: [unclosed\n", 2, ["not valid YAML"]),
        ("- 1\n", 1, ["mapping"]),
        ("stages:\n  flow:\n    alpha: .nan\n", 3, ["stages.flow.alpha"]),
    ],
)
def test_errors_name_file_line_and_remedy(tmp_path: Path, text: str, line: int, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert caught.value.code == USAGE
    assert f"data_manifest.yaml:{line}:" in message
    for word in words:
        assert word in message


def test_a_taxonomy_of_ones_own_may_stand_behind_its_name(tmp_path: Path) -> None:
    text = "taxonomy: sides\ntaxonomies: [{name: sides, classes: {Left: ['*left*']}}]\n"
    assert read(tmp_path, text).view.name == "sides"


def test_all_errors_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, "storee: x\nstages:\n  flow:\n    alpha: -1\n  roi:\n    beta: 0\n")
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"\x00", b"[" * 100_000])
def test_hostile_bytes_give_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        read_manifest(path)
    assert len(str(caught.value).splitlines()) == 1


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml"):
        read_manifest(tmp_path / "none.yaml")


def test_an_empty_manifest_is_the_default(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Manifest(folder=tmp_path)
