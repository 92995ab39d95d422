"""The reference of the manifest, made from the models that read it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.inputs.field_texts import described
from pipeline.inputs.manifest import Manifest
from stages.registry import registry

HEAD = """\
# Manifest

`data_manifest.yaml` says what to process and how. This page is made from the models that read it. It has
every key, with its type, its default, what it may be and what it means. `ttprep init` writes a commented file
with all defaults; a manifest needs only the lines that differ. An unknown key or a bad value is an error that
names its line.

A point in a key stands for nesting: `splits.by` is `splits: {by: …}`. `[]` stands for the entries of a list.
"""
#: never written by a user
INTERNAL = {"folder"}


@dataclass(frozen=True)
class Key:
    """One key of the manifest.

    Attributes
    ----------
    path : str
        As ``stages.flow.alpha`` or ``sources[].kind``.
    type, default, constraint, text : str
        Markdown; ``default`` is empty where the key must be given.
    group : bool
        Whether keys of its own stand below it.
    """

    path: str
    type: str
    default: str
    constraint: str
    text: str
    group: bool


def page() -> str:
    """Return the page of all keys, as Markdown.

    Raises
    ------
    ValueError
        A key is not described anywhere.
    """
    lines = [HEAD]
    sections: dict[str, list[Key]] = {}
    for key in every_key():
        sections.setdefault(_section(key.path), []).append(key)
    for name, members in sections.items():
        title = name or "Top level"
        about = registry()[title.removeprefix("stages.")].title if title.startswith("stages.") else ""
        lines += [f"## {title}", ""] + ([f"{about[:1].upper()}{about[1:]}.", ""] if about else [])
        lines += ["| key | type | default | allowed | meaning |", "|---|---|---|---|---|"]
        lines += [
            f"| `{k.path}` | {k.type} | {k.default} | {k.constraint} | {_cell(_sentence(k.text))} |"
            for k in members
        ]
        lines.append("")
    return "\n".join(lines) + "\n"


def every_key() -> Iterator[Key]:
    """Yield every key of the manifest, those of the stages included, in the order of the models."""
    yield from _keys(Manifest, "")
    for stage in registry().values():
        yield from _keys(stage.params, f"stages.{stage.name}.", hidden=stage.hidden)


def _keys(model: type[BaseModel], prefix: str, hidden: Any = ()) -> Iterator[Key]:
    schema = model.model_json_schema(mode="validation")
    texts = described(model)
    for name, field in model.model_fields.items():
        if name in INTERNAL or name in hidden:
            continue
        text = texts.get(name, "")
        if not text:
            raise ValueError(f"{model.__module__}.{model.__qualname__}.{name} is described nowhere")
        path = prefix + name
        inner, many = _model_of(field.annotation)
        part = schema["properties"][name]
        kind = _type(part, schema)
        yield Key(path, kind, _default(field), _constraint(part, schema), text, inner is not None)
        if inner is not None:
            yield from _keys(inner, f"{path}[]." if many else f"{path}.")


def _model_of(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model of a field that is one or a tuple of one, and whether it is a tuple."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for part in get_args(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part, getattr(annotation, "__origin__", None) is tuple
    return None, False


def _section(path: str) -> str:
    """The heading that a key stands under: its stage, else its first key where it has others below."""
    parts = re.split(r"\.", path)
    if parts[0] == "stages" and len(parts) > 2:
        return ".".join(parts[:2])
    return parts[0].removesuffix("[]") if len(parts) > 1 else ""


_NAMES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true, false"}


def _type(part: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in part:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]]
    if "anyOf" in part:
        return " or ".join(dict.fromkeys(_type(option, schema) for option in part["anyOf"]))
    if "enum" in part or "const" in part:
        return "one of"
    kind = part.get("type")
    if kind == "array":
        if "prefixItems" in part:
            return f"list of {len(part['prefixItems'])} numbers"
        items = _type(part["items"], schema)
        return "list of choices" if items == "one of" else f"list of {items}s"
    if kind == "object":
        values = part.get("additionalProperties")
        return f"names → {_type(values, schema)}" if isinstance(values, dict) and values else "group"
    if kind == "null":
        return "`null`"
    if part.get("format") == "path":
        return "path"
    return _NAMES.get(str(kind), "any")


_LIMITS = {
    "minimum": "≥ {:g}",
    "exclusiveMinimum": "> {:g}",
    "maximum": "≤ {:g}",
    "exclusiveMaximum": "< {:g}",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
}


def _constraint(part: dict[str, Any], schema: dict[str, Any]) -> str:
    said: list[str] = []
    for option in part.get("anyOf", [part]):
        items = option.get("items", {})
        if "$ref" in items:
            items = {}
        values = option.get("enum") or items.get("enum") or ([option["const"]] if "const" in option else [])
        said += [", ".join(f"`{v}`" for v in values)] if values else []
        for name, form in _LIMITS.items():
            if name in option and "prefixItems" not in option:
                said.append(
                    form.format(option[name])
                    .replace(" 1 entries", " 1 entry")
                    .replace(" 1 characters", " 1 character")
                )
    return ", ".join(said)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return ""
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        value = [item.model_dump(mode="json", exclude_defaults=True) for item in value]
    text = json.dumps(value, ensure_ascii=False, default=str)
    return f"`{text}`" if len(text) <= 60 else "see `ttprep init`"


def _sentence(text: str) -> str:
    """A text as the page says it: a sentence, in the words of YAML."""
    text = re.sub(r"\bNone\b", "``null``", text)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "…")) else ".")


def _cell(text: str) -> str:
    text = re.sub(r":(?:class|func|data|meth|mod):`~?\.?([^`]+)`", r"`\1`", text).replace("``", "`")
    parts = re.split(r"(`[^`]*`)", text)
    plain = (p if p.startswith("`") else re.sub(r"([<*_\[])", r"\\\1", p) for p in parts)
    return "".join(plain).replace("|", "\\|")
