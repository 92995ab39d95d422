"""Optical flow: the compiled IRLS engine, other published methods, and the stage on top."""

from stages.flow.engine import IrlsFlow, chosen_variant, irls_flow, irls_flow_video, variants
from stages.flow.params import FlowParams, IrlsParams
from stages.flow.quantise import quantise
from stages.flow.stage import STAGE, masked_flow

__all__ = [
    "STAGE",
    "FlowParams",
    "IrlsFlow",
    "IrlsParams",
    "chosen_variant",
    "irls_flow",
    "irls_flow_video",
    "masked_flow",
    "quantise",
    "variants",
]
