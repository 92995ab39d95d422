"""The stages of ttprep, one module or folder each; :mod:`stages.base` says what a stage is.

:func:`stages.registry.registry` finds them by their module-level ``STAGE``, and those of other distributions
by the entry-point group ``ttprep.stages``.
"""
