"""List the annotation formats that are there: built in, or installed with other packages."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from pydantic import ValidationError

from pipeline.annotations.formats.annotation_format import AnnotationFormat
from pipeline.annotations.options import AnnotationOptions
from pipeline.annotations.records import Issue
from pipeline.errors import USAGE, UserError
from stages.base import Params

#: entry points of this group are formats
GROUP = "ttprep.formats"


@dataclass(frozen=True)
class KnownFormat:
    """A format and where it comes from.

    Attributes
    ----------
    format : AnnotationFormat
    package : str
        Name and version of the distribution that brings it; empty for a built-in format.
    """

    format: AnnotationFormat
    package: str = ""

    def __str__(self) -> str:
        return f"{self.format.name} of {self.package}" if self.package else self.format.name


@dataclass(frozen=True)
class FormatRegistry:
    """All formats, in the order in which they are asked about a file.

    Attributes
    ----------
    formats : tuple of KnownFormat
    problems : tuple of Issue
        One for each entry point that cannot be used; its ``file`` is the distribution.
    """

    formats: tuple[KnownFormat, ...]
    problems: tuple[Issue, ...] = ()

    @property
    def suffixes(self) -> frozenset[str]:
        """Return the endings of the files that are picked up in folders."""
        return frozenset(suffix for known in self.formats for suffix in known.format.suffixes)

    def parse_options(self, options: AnnotationOptions) -> Mapping[str, Params]:
        """Parse the options of formats of other packages.

        Returns
        -------
        mapping of str to Params
            By the name of the format, for those that have options.

        Raises
        ------
        UserError
            Options of a format that is not installed or has none, or that it does not understand.
        """
        kinds = {k.format.name: k.format.options for k in self.formats if k.package and k.format.options}
        parsed: dict[str, Params] = {}
        for name, kind in kinds.items():
            place = f"annotation_options.formats.{name}"
            try:
                parsed[name] = kind.model_validate(options.formats.get(name, {}))
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join([place, *map(str, first["loc"])])
                raise UserError(f"{where}: {first['msg']}; correct the manifest", USAGE) from None
        for name in options.formats:
            if name not in kinds:
                known = ", ".join(sorted(kinds)) or "none"
                raise UserError(
                    f"annotation_options.formats.{name}: no installed format of this name has options"
                    f" (those that have: {known}); install its package or correct the name",
                    USAGE,
                )
        return parsed


def built_in_formats() -> tuple[AnnotationFormat, ...]:
    """Return the ``FORMAT`` of each module of this package that has one."""
    package = __name__.rpartition(".")[0]
    names = [m.name for m in pkgutil.iter_modules(import_module(package).__path__)]
    found = (getattr(import_module(f"{package}.{name}"), "FORMAT", None) for name in sorted(names))
    return tuple(f for f in found if isinstance(f, AnnotationFormat))


def make_registry(points: Iterable[EntryPoint]) -> FormatRegistry:
    """Put the built-in formats and those of entry points together.

    Parameters
    ----------
    points : iterable of EntryPoint
        Of the group ``ttprep.formats``. One that fails is reported and left out; the others still count.

    Returns
    -------
    FormatRegistry
    """
    known = {f.name: KnownFormat(f) for f in built_in_formats()}
    problems: list[Issue] = []
    for point in sorted(points, key=lambda p: (_package(p), p.name)):
        package = _package(point)
        try:
            found = point.load()
        except (Exception, SystemExit) as error:
            reason = f"it cannot be loaded: {type(error).__name__}: {error}"
            problems.append(_problem(point, reason))
            continue
        if not isinstance(found, AnnotationFormat):
            problems.append(_problem(point, f"it is a {type(found).__name__}, not an AnnotationFormat"))
            continue
        twin = known.setdefault(found.name, KnownFormat(found, package))
        if twin.format is not found:
            owner = twin.package or "ttprep itself"
            problems.append(_problem(point, f"a format named {found.name!r} comes with {owner} already"))
    order = sorted(
        known.values(), key=lambda k: (-k.format.precedence, not k.package, k.format.name, k.package)
    )
    return FormatRegistry(tuple(order), tuple(sorted(problems)))


@cache
def installed_formats() -> FormatRegistry:
    """Return the formats of this installation; entry points are looked up once per process."""
    return make_registry(entry_points(group=GROUP))


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown package"


def _problem(point: EntryPoint, reason: str) -> Issue:
    text = " ".join(f"entry point {point.name!r} ({point.value}) of {GROUP}: {reason}".split())
    remedy = "this format is not read; update the package, or uninstall it"
    return Issue(_package(point), 0, "unusable-format", f"{text}; {remedy}")
