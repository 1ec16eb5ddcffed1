"""How good samples are: metrics with intervals and floors, extractors, reports."""

from tfgenai.evaluate.evaluate import evaluate_samples
from tfgenai.evaluate.features import Extractor, FeatureExtractor, fit_extractor
from tfgenai.evaluate.grid import image_grid, save_grid
from tfgenai.evaluate.metrics import (
    FID,
    KID,
    METRICS,
    ClassHistogram,
    InceptionScore,
    LabelAccuracy,
    Metric,
    MetricValue,
    NearestNeighbours,
)
from tfgenai.evaluate.nll import evaluate_nll
from tfgenai.evaluate.report import Report

__all__ = [
    "FID",
    "KID",
    "METRICS",
    "ClassHistogram",
    "Extractor",
    "FeatureExtractor",
    "InceptionScore",
    "LabelAccuracy",
    "Metric",
    "MetricValue",
    "NearestNeighbours",
    "Report",
    "evaluate_nll",
    "evaluate_samples",
    "fit_extractor",
    "image_grid",
    "save_grid",
]
