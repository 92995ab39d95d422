"""The generated pages say everything: every command and option, every key of the manifest."""

from __future__ import annotations

import re
from typing import Any

import click
import pytest
import yaml
from pydantic import BaseModel, Field
from ttprep_docs import commands, manifest

from pipeline.inputs.manifest import Manifest, read_manifest
from stages.registry import registry
from tests.support import ROOT


def programs() -> list[tuple[str, click.Command]]:
    pytest.importorskip("torch", reason="tttrain needs the extra `train`")
    from pipeline.cli.main import main as ttprep
    from tttrain.cli.main import main as tttrain

    return [("ttprep", ttprep), ("tttrain", tttrain)]


def sections(page: str) -> dict[str, str]:
    parts = re.split(r"^##+ (.*)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_and_option_is_on_the_page() -> None:
    found = sections(commands.page())
    options = 0
    for name, program in programs():
        for path, context in commands.walk(name, program):
            command = context.command
            assert command.help, f"{path} has no help text"
            text = found[path]
            for option in command.get_params(context):
                if isinstance(option, click.Argument):
                    assert option.make_metavar(context) in text
                    continue
                assert isinstance(option, click.Option)
                row = next(
                    line for line in text.split("\n") if re.match(rf"\| `[^`]*{option.opts[0]}\b", line)
                )
                assert all(opt in row for opt in (*option.opts, *option.secondary_opts))
                assert row.split(" | ", 1)[1].strip(" |"), f"{path} {option.opts[0]} has no help text"
                options += 1
    assert options > 150
    assert len(found) > 20


def test_an_option_without_help_is_told() -> None:
    option = click.Option(["--colour"])
    with pytest.raises(ValueError, match="paint --colour has no help text"):
        commands.option_row(option, click.Context(click.Command("paint"), info_name="paint"))


def leaves(schema: dict[str, Any], part: dict[str, Any], path: str) -> set[str]:
    """Keys below a part of a JSON schema: another way to them than the page's own."""
    if "$ref" in part:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]]
    found: set[str] = set()
    for option in part.get("anyOf", []):
        found |= leaves(schema, option, path)
    if "items" in part:
        found |= leaves(schema, part["items"], f"{path}[]")
    for name, inner in part.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        found |= {here} | leaves(schema, inner, here)
    return found


def test_every_key_of_the_manifest_is_on_the_page() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \| (.*) \| (.*) \| (.*) \|$", manifest.page(), re.MULTILINE)
    assert all(kind and text for _, kind, _, _, text in rows)
    shown = [path for path, *_ in rows]
    assert len(shown) == len(set(shown))
    schema = Manifest.model_json_schema()
    wanted = leaves(schema, schema, "") - {"folder"}
    for stage in registry().values():
        schema = stage.params.model_json_schema()
        wanted |= leaves(schema, schema, f"stages.{stage.name}")
        hidden = [f"stages.{stage.name}.{name}" for name in stage.hidden]
        wanted = {path for path in wanted if not any(f"{path}.".startswith(f"{name}.") for name in hidden)}
    assert {"annotation_options.csv[].columns.label[].values", "cleaning.negatives.cap"} < wanted
    assert wanted == set(shown)


def test_the_page_has_what_init_writes() -> None:
    """Every line of the commented manifest that sets something is a key of the page."""
    shown = {key.path for key in manifest.every_key()}

    def paths(value: Any, at: str) -> set[str]:
        if not isinstance(value, dict) or not value:
            return {at}
        return {p for name, inner in value.items() for p in paths(inner, f"{at}.{name}".lstrip("."))}

    written = yaml.safe_load((ROOT / "data_manifest.yaml").read_text(encoding="utf-8"))
    assert len(paths(written, "")) > 60
    assert paths(written, "") <= shown


def test_defaults_and_constraints_are_those_of_the_models() -> None:
    found = {key.path: key for key in manifest.every_key()}
    assert found["stages.flow.alpha"].default == "`0.012`"
    assert found["splits.by"].constraint == "`sample`, `video`, `player`, `group`"
    assert found["splits.train"].constraint == "≥ 0, ≤ 1"
    assert found["sources[].kind"].default == "required"
    assert found["videos[].fps"].type == "number or `null`"
    assert found["modalities"].constraint == "`rgb`, `flow`, `pose`"
    assert found["annotation_options.csv[].columns.begin"].default == '`"begin"`'


def test_a_key_that_is_not_described_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(BaseModel):
        """Says nothing of its field."""

        colour: str = Field("red")

    monkeypatch.setattr(manifest, "Manifest", Silent)
    with pytest.raises(ValueError, match=r"Silent\.colour is described nowhere"):
        manifest.page()


def test_the_names_of_the_page_can_be_written(tmp_path: Any) -> None:
    """A manifest with every top-level key and its default is read as no manifest at all."""
    defaults = {
        key.path: yaml.safe_load(key.default.strip("`"))
        for key in manifest.every_key()
        if "." not in key.path and key.default.startswith("`")
    }
    assert len(defaults) > 8
    path = tmp_path / "data_manifest.yaml"
    path.write_text(yaml.safe_dump(defaults))
    assert read_manifest(path) == Manifest(folder=tmp_path)
