"""Inside the package, imports point one way: what builds on something stands behind it."""

from __future__ import annotations

import ast
from pathlib import Path

import pipeline.annotations

PACKAGE = "pipeline.annotations"
FOLDER = Path(pipeline.annotations.__file__).parent

#: each may import those in front of it, and from its own room those that do not import it
ROOMS = (
    "intervals",
    "timeline",
    "records",
    "options",
    "label_mapping",
    "parsing",
    "formats",
    "consistency",
    "reading",
    "writing",
    "losses",
    "players",
    "actions",
    "waterfall",
    "waterfall_picture",
    "negatives",
    "cleaning",
    "splits",
)


def imports() -> dict[str, set[str]]:
    """Module → the modules of this package that it imports anywhere, for types too."""
    found: dict[str, set[str]] = {}
    for path in FOLDER.rglob("*.py"):
        parts = path.relative_to(FOLDER).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
                base = (node.module or "").removeprefix(PACKAGE).lstrip(".")
                places = (FOLDER / base.replace(".", "/") / f"{alias.name}.py" for alias in node.names)
                inner = {".".join(p.relative_to(FOLDER).with_suffix("").parts) for p in places if p.exists()}
                names |= inner or {base}
        found[module] = names
    return found


def test_every_module_has_its_place() -> None:
    assert {name.partition(".")[0] for name in imports() if name} == set(ROOMS)


def test_imports_point_one_way() -> None:
    for module, names in imports().items():
        if not module:  # the package itself exports from all of them
            continue
        room = ROOMS.index(module.partition(".")[0])
        for name in names:
            assert name, f"{module} imports from the package that exports it"
            assert ROOMS.index(name.partition(".")[0]) <= room, f"{module} imports {name}, which builds on it"


def test_no_module_imports_itself_through_others() -> None:
    arrows = {module: names for module, names in imports().items() if module}
    while leaves := [module for module, names in arrows.items() if not names & set(arrows)]:
        for module in leaves:
            del arrows[module]
    assert arrows == {}
