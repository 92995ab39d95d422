"""The reference of the command line, made from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

HEAD = """\
# Commands

This page is made from the programs: it says what `--help` says.
[What holds for all of them](../command-line.md) stands apart.
"""


def page() -> str:
    """Return the page of all commands of ``ttprep`` and ``tttrain``, as Markdown."""
    from pipeline.cli.main import main as ttprep
    from tttrain.cli.main import main as tttrain

    lines = [HEAD]
    for name, program in (("ttprep", ttprep), ("tttrain", tttrain)):
        for path, context in walk(name, program):
            lines += _section(path, context)
    return "\n".join(lines) + "\n"


def walk(
    name: str, command: click.Command, parent: click.Context | None = None
) -> Iterator[tuple[str, click.Context]]:
    """Yield the context of a command and of all below it, each with the words that call it."""
    context = click.Context(command, parent, name, **command.context_settings)
    yield context.command_path, context
    if isinstance(command, click.Group):
        for below, inner in sorted(command.commands.items()):
            yield from walk(below, inner, context)


def option_row(option: click.Option, context: click.Context) -> tuple[str, str]:
    """Return the names of an option with its value, and what its help says of it.

    Raises
    ------
    ValueError
        It has no help.
    """
    if not option.help:
        raise ValueError(f"{context.command_path} {option.opts[0]} has no help text")
    record = option.get_help_record(context)
    assert record is not None, "hidden options have no row"
    return record


def _section(path: str, context: click.Context) -> list[str]:
    command = context.command
    level = "##" if " " not in path else "###"
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"{level} {path}", "", *_paragraphs(command.help or ""), f"```\n{path} {usage}\n```", ""]
    rows = [
        option_row(option, context)
        for option in command.get_params(context)
        if isinstance(option, click.Option) and not option.hidden
    ]
    lines += ["| option | |", "|---|---|"]
    lines += [f"| {_code(names)} | {_cell(text)} |" for names, text in rows]
    lines.append("")
    if isinstance(command, click.Group):
        lines += _paragraphs(command.epilog or "")
    return lines


def _paragraphs(text: str) -> list[str]:
    """Click's help as Markdown: what stands behind its mark for verbatim text keeps its lines."""
    lines: list[str] = []
    for part in inspect.cleandoc(text).split("\f")[0].split("\n\n"):
        if part.lstrip().startswith("\b"):
            lines += ["```", part.replace("\b\n", "", 1), "```", ""]
        else:
            lines += [_plain(part), ""]
    return lines


def _plain(text: str) -> str:
    """Names that Markdown would swallow, outside of code: ``<a>``, ``*``, ``_``."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([<*_\[])", r"\\\1", p) for p in parts)


def _cell(text: str) -> str:
    return _plain(" ".join(text.split())).replace("|", "\\|")


def _code(names: str) -> str:
    return "`" + " ".join(names.split()).replace("|", "\\|") + "`"
