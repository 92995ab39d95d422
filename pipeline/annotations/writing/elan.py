"""Write strokes for ELAN: EAF 3.0, a tier for each player, the labels as a controlled vocabulary.

ELAN has no scores. A tier cannot hold annotations that overlap: they go to a further tier of the same player.

References
----------
H. Brugman, H. Sloetjes: *EAF, ELAN Annotation Format*, 3.0; http://www.mpi.nl/tools/elan/EAFv3.0.xsd.
"""

from __future__ import annotations

import mimetypes
import os
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from pipeline.annotations.formats.elan import MARK
from pipeline.annotations.writing.predicted import (
    PredictedStroke,
    PredictedVideo,
    choices,
    clean,
    origin,
    players,
)
from pipeline.annotations.writing.xml_text import element, to_bytes

#: name of the tier of strokes whose player is not known
NOBODY = "strokes"
#: the schema asks for a date, and equal strokes give equal bytes; ELAN writes its own when it saves
_DATE = "1970-01-01T00:00:00+00:00"
_TYPE, _VOCABULARY, _LANGUAGE = "stroke", "strokes", "und"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


def content(video: PredictedVideo, folder: Path) -> bytes:
    """Return the document.

    Parameters
    ----------
    video : PredictedVideo
    folder : Path
        Where the document will lie: the video is named relative to it too.

    Raises
    ------
    UserError
        A frame is shorter than a millisecond, the unit of ELAN.
    """
    ElementTree.register_namespace("xsi", _XSI)
    root = element(None, "ANNOTATION_DOCUMENT", AUTHOR="ttprep", DATE=_DATE, FORMAT="3.0", VERSION="3.0")
    root.set(f"{{{_XSI}}}noNamespaceSchemaLocation", "http://www.mpi.nl/tools/elan/EAFv3.0.xsd")
    tiers = _tiers(video)
    _header(root, video, folder, len(video.strokes))
    slots = _slots(root, video)
    number = 0
    for name, (player, strokes) in tiers.items():
        tier = element(
            root,
            "TIER",
            TIER_ID=name,
            PARTICIPANT=player,
            ANNOTATOR=f"{MARK}{origin(video)}",
            LINGUISTIC_TYPE_REF=_TYPE,
        )
        for stroke in strokes:
            number += 1
            made = element(
                element(tier, "ANNOTATION"),
                "ALIGNABLE_ANNOTATION",
                ANNOTATION_ID=f"a{number}",
                TIME_SLOT_REF1=slots[stroke.begin],
                TIME_SLOT_REF2=slots[stroke.end],
            )
            element(made, "ANNOTATION_VALUE", stroke.label)
    _types(root, video)
    return to_bytes(root)


def _header(root: ElementTree.Element, video: PredictedVideo, folder: Path, last: int) -> None:
    header = element(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    path = os.path.abspath(video.path or video.name)
    relative = os.path.relpath(path, os.path.abspath(folder)).replace(os.sep, "/")
    element(
        header,
        "MEDIA_DESCRIPTOR",
        MEDIA_URL=f"file://{_quoted(path)}",
        MIME_TYPE=mimetypes.guess_type(path)[0] or "video/*",
        RELATIVE_MEDIA_URL=f"./{_quoted(relative)}",
    )
    element(header, "PROPERTY", str(last), NAME="lastUsedAnnotationId")


def _quoted(path: str) -> str:
    return quote(clean(path), safe="/")


def _slots(root: ElementTree.Element, video: PredictedVideo) -> dict[int, str]:
    """Write the times at which strokes begin and end; return the time slot of each frame."""
    order = element(root, "TIME_ORDER")
    frames = sorted({f for stroke in video.strokes for f in (stroke.begin, stroke.end)})
    names = {}
    for number, frame in enumerate(frames, 1):
        value = round(video.seconds(frame) * 1000)
        video.require_read_back(frame, Fraction(value, 1000), "ELAN")
        names[frame] = f"ts{number}"
        element(order, "TIME_SLOT", TIME_SLOT_ID=names[frame], TIME_VALUE=str(value))
    return names


def _tiers(video: PredictedVideo) -> dict[str, tuple[str, list[PredictedStroke]]]:
    """Return tiers by name, each with its player and strokes of which no two overlap."""
    by_player: dict[str, list[list[PredictedStroke]]] = defaultdict(list)
    for player in players([video]):
        by_player[player] = [[]]
    for stroke in video.ordered:
        rows = by_player[clean(stroke.player)]
        free = next((row for row in rows if not row or row[-1].end <= stroke.begin), None)
        if free is None:
            rows.append(free := [])
        free.append(stroke)
    if not by_player:
        by_player[""] = [[]]
    tiers: dict[str, tuple[str, list[PredictedStroke]]] = {}
    for player, rows in by_player.items():
        for row in rows:
            base = name = player or NOBODY
            number = 1
            while name in tiers:
                number += 1
                name = f"{base} ({number})"
            tiers[name] = player, row
    return tiers


def _types(root: ElementTree.Element, video: PredictedVideo) -> None:
    element(
        root,
        "LINGUISTIC_TYPE",
        LINGUISTIC_TYPE_ID=_TYPE,
        TIME_ALIGNABLE="true",
        GRAPHIC_REFERENCES="false",
        CONTROLLED_VOCABULARY_REF=_VOCABULARY,
    )
    element(
        root,
        "LANGUAGE",
        LANG_ID=_LANGUAGE,
        LANG_DEF="http://cdb.iso.org/lg/CDB-00130975-001",
        LANG_LABEL="undetermined (und)",
    )
    words = element(root, "CONTROLLED_VOCABULARY", CV_ID=_VOCABULARY)
    element(words, "DESCRIPTION", LANG_REF=_LANGUAGE)
    for number, label in enumerate(choices([video]), 1):
        entry = element(words, "CV_ENTRY_ML", CVE_ID=f"cve{number}")
        element(entry, "CVE_VALUE", label, LANG_REF=_LANGUAGE, DESCRIPTION="")
