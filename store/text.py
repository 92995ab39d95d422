"""Text that can be stored and shown anywhere: names of files may hold bytes that are no text at all."""

from __future__ import annotations

import re

_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def valid_text(text: str) -> str:
    r"""Return text that can be encoded as UTF-8.

    A byte of a file's name that is not UTF-8 (Python holds it as a surrogate) becomes ``\xfc``: backslash, x
    and two hexadecimal digits. Every other text stays as it is.

    Parameters
    ----------
    text : str
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        text = _LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text
