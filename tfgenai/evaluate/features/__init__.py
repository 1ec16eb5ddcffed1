"""Feature extractors: the trained classifier, and what any other one has to offer."""

from tfgenai.evaluate.features.cnn import Extractor
from tfgenai.evaluate.features.fit import fit_extractor
from tfgenai.evaluate.features.image_set import FeatureExtractor, ImageClassifier
from tfgenai.evaluate.features.lookup import resolve_extractor

__all__ = [
    "Extractor",
    "FeatureExtractor",
    "ImageClassifier",
    "fit_extractor",
    "resolve_extractor",
]
