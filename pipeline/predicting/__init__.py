"""From a trained network and new videos to strokes: the only room that uses tttrain, and only when asked."""

from pipeline.predicting.outcome import OneVideo, Options, Predicted
from pipeline.predicting.predict import predict

__all__ = ["OneVideo", "Options", "Predicted", "predict"]
