"""Which results of a video are of which view of it, where several players have a track each."""

from __future__ import annotations

from pipeline.reading.catalogue import Entry

#: as the focus of a result that goes by none
WHOLE = "whole picture"


def foci_of(entry: Entry) -> dict[str, str]:
    """Return the focus of each result that goes by one, or would.

    Parameters
    ----------
    entry : Entry

    Returns
    -------
    dict of str to str
        Key of the result → its focus as text, or that of what it was made from; :data:`WHOLE` where there is
        none. Results that no focus changes are not in it.
    """
    from pipeline.annotations.parsing.focus import name_of, read_focus
    from stages.registry import registry

    known = {r.key: r for r in entry.receipts}
    found: dict[str, str | None] = {}

    def focus_of(key: str) -> str | None:
        if key in found:
            return found[key]
        found[key] = None  # a circle of keys is no focus
        receipt = known.get(key)
        if receipt is None:
            return None
        stage = registry().get(receipt.stage)
        own = stage.focus if stage is not None else ""
        told = [focus_of(str(k)) for k in receipt.parts.get("inputs", {}).values()]
        if own:
            value = receipt.parts.get("params", {}).get(own)
            told.insert(0, name_of(read_focus(value)) if value else WHOLE)
        found[key] = max((t for t in told if t is not None), key=lambda t: t != WHOLE, default=None)
        return found[key]

    return {key: text for key in known if (text := focus_of(key)) is not None}
