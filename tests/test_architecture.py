"""Arrows point one way: which package, room and module may import which, and how large they may grow."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support import ROOT

#: package → packages of the project that it may import
PACKAGES: dict[str, set[str]] = {
    "stages": set(),
    "store": set(),
    "tttrain": set(),
    "ttdemo": set(),
    "pipeline": {"stages", "store", "ttdemo", "tttrain"},
    "ttprep": {"pipeline", "stages", "store"},
}
#: package → its rooms from the lowest up: a room imports from those before it alone
ROOMS: dict[str, tuple[str, ...]] = {
    "pipeline": (
        "errors", "terminal", "provenance", "discovery", "owned", "annotations", "inputs", "planning",
        "execution", "pictures", "dataset", "reading", "report", "run", "comparing", "predicting", "demos",
        "cli",
    ),
    "tttrain": ("errors", "atomic", "owned", "data", "feeding", "models", "training", "evaluation", "cli"),
    "ttdemo": ("replacing", "processes", "world", "render", "strokes", "throws"),
}  # fmt: skip
#: the only room that may import what renders demo clips
USES_TTDEMO = "demos"
#: the only room that may import networks, and that within functions: they need torch
USES_TTTRAIN = "predicting"
MOST_MODULES = 15
MOST_LINES = 400


def module_files(root: Path, packages: Mapping[str, object]) -> dict[str, Path]:
    """Dotted name → file; an extension module stands by its stub."""
    found = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py*")):
            if path.suffix not in (".py", ".pyi"):
                continue
            name = ".".join(path.relative_to(root).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imported(name: str, text: str, package: bool) -> Iterator[str]:
    """Every dotted name that a module imports, in functions and under conditions too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = name.split(".")
                kept = parts[: len(parts) - node.level + package]
                base = ".".join([*kept, base] if base else kept)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def graph_of(files: Mapping[str, Path]) -> dict[str, set[str]]:
    """Module → modules of the project that it names in an import.

    ``from a.b import c`` is an arrow to ``a.b.c`` where that is a module, else to ``a.b``.
    """
    graph: dict[str, set[str]] = {name: set() for name in files}
    for name, path in files.items():
        for target in imported(name, path.read_text(encoding="utf-8"), path.name == "__init__.py"):
            while target and target not in files:
                target = target.rpartition(".")[0]
            if target and target != name:
                graph[name].add(target)
    return graph


FILES = module_files(ROOT, PACKAGES)
GRAPH = graph_of(FILES)


def room(name: str) -> str:
    """``pipeline.cli.main`` → ``cli``; a package itself is its own, nameless room."""
    return name.split(".")[1] if "." in name else ""


def circles_in(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import one another, directly or through others."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        ahead = [start]
        while ahead:
            new = graph[ahead.pop()] - seen
            seen |= new
            ahead += new
        return seen

    reach = {name: reached(name) for name in graph}
    groups = {
        tuple(sorted(other for other in reach[name] if name in reach[other]))
        for name in graph
        if name in reach[name]
    }
    return [list(group) for group in sorted(groups)]


def test_every_package_is_in_the_table() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shipped = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {name.removesuffix("*") for name in shipped} == set(PACKAGES)
    assert len(FILES) > 150


def test_packages_import_only_what_the_table_allows() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, targets in GRAPH.items()
        for target in targets
        if (here := name.split(".")[0]) != (there := target.split(".")[0]) and there not in PACKAGES[here]
    ]
    assert not wrong, wrong


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_only_from_those_below(package: str) -> None:
    order = ROOMS[package]
    inside = {name for name in GRAPH if name.startswith(f"{package}.")}
    assert {room(name) for name in inside} <= set(order), "a room that is not in the table"
    wrong = [
        f"{name} imports {target}"
        for name in sorted(inside)
        for target in sorted(GRAPH[name] & inside)
        if order.index(room(target)) > order.index(room(name))
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_demos_render_clips() -> None:
    renderer = {name for name in FILES if name.split(".")[0] == "ttdemo"}
    users = {name for name, targets in GRAPH.items() if targets & renderer} - renderer
    assert users
    assert {room(name) for name in users} == {USES_TTDEMO}


def test_only_the_room_of_predictions_uses_networks_and_only_when_asked() -> None:
    networks = {name for name in FILES if name.split(".")[0] == "tttrain"}
    users = {name for name, targets in GRAPH.items() if targets & networks} - networks
    assert users
    assert {room(name) for name in users} == {USES_TTTRAIN}
    for name in users:
        at_once = [
            target
            for node in ast.parse(FILES[name].read_text(encoding="utf-8")).body
            if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
            and isinstance(node, ast.Import | ast.ImportFrom)
            for target in imported(name, ast.unparse(node), False)
        ]
        assert not [t for t in at_once if t.split(".")[0] in ("tttrain", "torch")], name


def test_no_import_circle() -> None:
    circles = circles_in(GRAPH)
    assert not circles, "\n".join(" ↔ ".join(names) for names in circles)


def test_the_tests_of_imports_see_them(tmp_path: Path) -> None:
    """In functions, relative, of packages and of modules; and a circle that they close."""
    for name, text in {
        "a/__init__.py": "from a.one import x",
        "a/one.py": "def f():\n    from . import two\n",
        "a/two.py": "if True:\n    import b.three as t\n",
        "b/__init__.py": "",
        "b/three.py": "from a import x\nfrom numpy import array\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    graph = graph_of(module_files(tmp_path, {"a": 0, "b": 0}))
    assert graph == {"a": {"a.one"}, "a.one": {"a.two"}, "a.two": {"b.three"}, "b": set(), "b.three": {"a"}}
    assert circles_in(graph) == [["a", "a.one", "a.two", "b.three"]]
    graph["b.three"].clear()
    assert circles_in(graph) == []


def test_no_folder_is_crowded() -> None:
    folders: dict[Path, int] = {}
    for path in [*FILES.values(), *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]:
        folders[path.parent] = folders.get(path.parent, 0) + (path.name != "__init__.py")
    crowded = {str(p.relative_to(ROOT)): n for p, n in folders.items() if n > MOST_MODULES}
    assert not crowded


def test_no_module_is_long() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in FILES.items()}
    assert not {name: n for name, n in lengths.items() if n > MOST_LINES}
