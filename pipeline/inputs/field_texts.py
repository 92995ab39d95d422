"""What each field of a model means, for the manifest that ``init`` writes and for the site."""

from __future__ import annotations

import inspect
import re

from pydantic import BaseModel


def described(model: type[BaseModel]) -> dict[str, str]:
    """Return what each field means: its own description, else the text under *Attributes*.

    Parameters
    ----------
    model : type of BaseModel
        Its docstring, or that of a base, is numpydoc; ``a, b : float`` describes both.

    Returns
    -------
    dict of str to str
        Name → text in one line, in the docstring's markup. A field without a text is not in it.
    """
    found = {name: field.description for name, field in model.model_fields.items() if field.description}
    for cls in model.__mro__:
        text = inspect.getdoc(cls) if issubclass(cls, BaseModel) and cls is not BaseModel else None
        for names, body in re.findall(r"^(\w+(?:, \w+)*) : .*\n((?:    .+\n?)+)", text or "", re.M):
            for name in names.split(", "):
                found.setdefault(name, " ".join(body.split()))
    return found
