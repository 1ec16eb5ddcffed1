"""The metrics; importing this package enters each of them in `METRICS`."""

from tfgenai.evaluate.metrics.class_histogram import ClassHistogram, LabelAccuracy
from tfgenai.evaluate.metrics.fid import FID, frechet_distance
from tfgenai.evaluate.metrics.inception_score import InceptionScore, inception_score
from tfgenai.evaluate.metrics.kid import KID, kernel_distance
from tfgenai.evaluate.metrics.metric import METRICS, Metric, MetricValue, RealImages
from tfgenai.evaluate.metrics.nearest import NearestNeighbours, nearest_neighbours

__all__ = [
    "FID",
    "KID",
    "METRICS",
    "ClassHistogram",
    "InceptionScore",
    "LabelAccuracy",
    "Metric",
    "MetricValue",
    "NearestNeighbours",
    "RealImages",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "nearest_neighbours",
]
