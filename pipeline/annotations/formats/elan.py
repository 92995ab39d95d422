"""Read ELAN's EAF: each annotation of a tier with times of its own is a stroke, its text the label.

Times are milliseconds of the media file as it plays; a stroke begins and ends with the frames shown then.
The tier's participant is the player, its annotator the annotator. Tiers that depend on another one hold what
is said about strokes, not strokes.

References
----------
H. Brugman, H. Sloetjes: *EAF, ELAN Annotation Format*, 3.0; http://www.mpi.nl/tools/elan/EAFv3.0.xsd.
"""

from __future__ import annotations

from fractions import Fraction
from urllib.parse import unquote

from pipeline.annotations.formats.annotation_format import AnnotationFile, AnnotationFormat
from pipeline.annotations.formats.recorder import Recorder
from pipeline.annotations.parsing.text import shown
from pipeline.annotations.parsing.xml_nodes import Element

#: how the annotator of a tier begins that a network wrote
MARK = "ttprep: "


def _recognises(file: AnnotationFile) -> bool:
    return file.xml is not None and file.xml.tag == "ANNOTATION_DOCUMENT"


def _read(file: AnnotationFile, out: Recorder) -> None:
    """Read an ``<ANNOTATION_DOCUMENT>``."""
    root = file.xml
    if root is None:
        return
    video, origin = _media(root, out)
    if video is None:
        return
    slots = _slots(root, out)
    found = False
    for tier in root.children:
        if tier.tag == "TIER" and not tier.attrs.get("PARENT_REF"):
            for annotation in tier.children:
                found = True
                _annotation(annotation, tier, video, slots, origin, out)
    if not found:
        out.issue(root.line, "empty", "the file has no annotation in a tier with times of its own")


def _media(root: Element, out: Recorder) -> tuple[str | None, Fraction]:
    """Return the video of the document, and the time of the video at which the document's time is 0, s.

    Of several media files the first that is a known video counts, else the first.
    """
    header = root.child("HEADER")
    media = [m for m in header.children if m.tag == "MEDIA_DESCRIPTOR"] if header is not None else []
    named = [(m, name) for m in media if (name := _name(m, out))]
    if not named:
        return out.video, Fraction(0)
    known = [(m, v) for m, name in named if (v := out.named_video(m.line, name)) and out.is_known(v)]
    chosen, video = known[0] if known else (named[0][0], out.named_video(named[0][0].line, named[0][1]))
    offset = out.frame(chosen.line, "TIME_ORIGIN", chosen.attrs.get("TIME_ORIGIN", "0"))
    return video, Fraction(offset or 0, 1000)


def _name(media: Element, out: Recorder) -> str:
    """Return the name by which a media file is looked up: its path if a known video lies there."""
    path = unquote(media.attrs.get("MEDIA_URL", "")).removeprefix("file://")
    if out.names.at(path) is not None:
        return path
    relative = unquote(media.attrs.get("RELATIVE_MEDIA_URL", "")).removeprefix("file://")
    # a path that ELAN wrote leads through folders of another machine; it is a name to look up, never opened
    parts = [p for p in (relative or path).replace("\\", "/").split("/") if p not in ("", ".", "..")]
    return "/".join(parts)


def _slots(root: Element, out: Recorder) -> dict[str, int | None]:
    """Return the time of each slot, ms; None where it has none of its own."""
    order = root.child("TIME_ORDER")
    slots: dict[str, int | None] = {}
    for slot in order.children if order is not None else ():
        value = slot.attrs.get("TIME_VALUE")
        time = None if value is None else out.frame(slot.line, "TIME_VALUE", value)
        slots[slot.attrs.get("TIME_SLOT_ID", "")] = time
    return slots


def _annotation(
    annotation: Element,
    tier: Element,
    video: str,
    slots: dict[str, int | None],
    origin: Fraction,
    out: Recorder,
) -> None:
    one = annotation.child("ALIGNABLE_ANNOTATION")
    if one is None:
        out.issue(annotation.line, "unsupported", "an annotation without times of its own; not used")
        return
    times = [slots.get(one.attrs.get(f"TIME_SLOT_REF{n}", "")) for n in (1, 2)]
    begin, end = times
    if begin is None or end is None:
        name = shown(tier.attrs.get("TIER_ID", ""))
        out.issue(one.line, "malformed", f"an annotation of the tier {name} whose begin or end has no time")
        return
    annotator, player = tier.attrs.get("ANNOTATOR", ""), tier.attrs.get("PARTICIPANT", "")
    network = annotator.removeprefix(MARK).strip() if annotator.startswith(MARK) else ""
    label = one.path("ANNOTATION_VALUE") or None
    annotator = "" if network else annotator
    first = out.frame_at(one.line, video, Fraction(begin, 1000) + origin)
    last = None if first is None else out.frame_at(one.line, video, Fraction(end, 1000) + origin)
    if first is None or last is None:
        if not out.is_known(video):
            out.describe_unplaced(one.line, label, annotator, player)
        return
    out.add(one.line, video, first, last, label, annotator, player, predicted_by=network)


FORMAT = AnnotationFormat(
    name="elan",
    title="ELAN EAF",
    told_by="<ANNOTATION_DOCUMENT> (ELAN)",
    syntax="xml",
    suffixes=(".eaf",),
    recognises=_recognises,
    read=_read,
)
