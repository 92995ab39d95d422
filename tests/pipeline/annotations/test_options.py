"""Every annotation option stands in the documentation, with its default, and nothing else does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pipeline.annotations import AnnotationOptions
from tests.support import ROOT

PAGE = ROOT / "docs" / "annotations.md"


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Models in a type, within tuples and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models(inner)


def default_of(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if field.is_required():
        return "required"
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        return f"`{value[0].model_dump()['column']}`"
    if isinstance(value, tuple | dict) and len(value) > 2:
        return "see above"
    if value == "":
        return "empty"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def options(model: type[BaseModel], place: str = "") -> Iterator[tuple[str, str]]:
    """Each option with its default; a group of options is no option unless it is a list of groups."""
    for name, field in model.model_fields.items():
        inner = list(models(field.annotation))
        default: Any = None if field.is_required() else field.get_default(call_default_factory=True)
        if not isinstance(default, BaseModel):
            yield f"{place}{name}", default_of(field)
        for group in inner:
            yield from options(group, f"{place}{name}.")


def test_the_documentation_lists_every_option_with_its_default() -> None:
    text = PAGE.read_text(encoding="utf-8").split("<!-- options", 1)[1].split("\n## ", 1)[0]
    listed = re.findall(r"^\| `([\w.]+)` \| (.+?) \| \S", text, re.MULTILINE)
    assert listed == list(options(AnnotationOptions))


def test_init_lists_every_option_too() -> None:
    text = (ROOT / "data_manifest.yaml").read_text(encoding="utf-8")
    lines = text.split("# Every option", 1)[1].split("\nannotation_options:", 1)[0].splitlines()[1:]
    told = [line.lstrip("# ").split(":")[0] for line in lines]
    names = [n for n, _ in options(AnnotationOptions) if not n.endswith((".label.column", ".label.values"))]
    assert [n for n in told if n not in ("columns", "openttgames", "cvat", "label_studio")] == [
        n.rpartition(".")[2] for n in names
    ]


def test_the_strokes_and_events_that_the_documentation_tells() -> None:
    text = PAGE.read_text(encoding="utf-8")
    chapter = text[text.index("**OpenTTGames.**") : text.index("**CVAT.**")]
    openttgames = AnnotationOptions().openttgames
    for name in (*openttgames.strokes, *(f"`{event}`" for event in openttgames.events)):
        assert name in chapter


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"csvs": []}, "Extra inputs"),
        ({"csv": {"unit": "seconds", "first_frame": 1}}, "for unit: frames"),
    ],
)
def test_what_the_options_refuse(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AnnotationOptions.model_validate(options)
