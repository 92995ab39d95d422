"""YAML that remembers its lines and refuses what a manifest has no use for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import USAGE, UserError

MAX_BYTES = 10_000_000
MAX_DEPTH = 20
#: libyaml's reads ten times as fast, where PyYAML was built with it
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN = "tag:yaml.org,2002:"
Lines = dict[tuple[str | int, ...], int]


def load(path: Path) -> tuple[Any, Lines]:
    """Read a YAML file made of plain mappings, lists and scalars.

    Parameters
    ----------
    path : Path

    Returns
    -------
    value : Any
    lines : dict
        Location (keys and indices from the root) → line number, from 1.

    Raises
    ------
    UserError
        Unreadable, not YAML, a tag, an anchor or alias, a key given twice; names file and line.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: larger than {MAX_BYTES // 10**6} MB; that is no manifest", USAGE)
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as e:
        raise UserError(f"{path}: not UTF-8 text (byte {e.start}); save it as UTF-8", USAGE) from None
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror}); check the path", USAGE) from None
    try:
        depth = 0
        for event in yaml.parse(text, _LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:  # stop reading here: composing it would take quadratic time
                raise UserError(f"{path}: nested too deeply; that is no manifest", USAGE)
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise UserError(f"{path}:{line}: anchors and aliases are not used here; write it out", USAGE)
        node = yaml.compose(text, _LOADER)
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        problem = getattr(e, "problem", None) or "cannot be read"
        raise UserError(f"{path}{where}: not valid YAML: {problem}; mend the line", USAGE) from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply; that is no manifest", USAGE) from None
    lines: Lines = {(): 1}
    return (None if node is None else _build(path, node, (), lines)), lines


def _build(path: Path, node: yaml.Node, at: tuple[str | int, ...], lines: Lines) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(at, line)
    if len(at) > MAX_DEPTH:
        raise UserError(f"{path}:{line}: nested too deeply", USAGE)
    if not str(node.tag).startswith(_PLAIN) or str(node.tag).startswith(_PLAIN + "python"):
        raise UserError(f"{path}:{line}: the tag {node.tag!r} is not used here; remove it", USAGE)
    if isinstance(node, yaml.MappingNode):
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise UserError(f"{path}:{key_line}: a key must be a plain word", USAGE)
            key = str(key_node.value)
            if key in out:
                raise UserError(f"{path}:{key_line}: {key!r} is given twice; merge them under one", USAGE)
            lines[(*at, key)] = key_line
            out[key] = _build(path, value_node, (*at, key), lines)
        return out
    if isinstance(node, yaml.SequenceNode):
        return [_build(path, item, (*at, i), lines) for i, item in enumerate(node.value)]
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError) as e:
        raise UserError(f"{path}:{line}: {node.value!r} cannot be read ({e})", USAGE) from None
