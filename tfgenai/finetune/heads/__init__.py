"""Task layers on the features of a pre-trained model of any family."""

from tfgenai.finetune.heads.classifier import ClassifierHead
from tfgenai.finetune.heads.decoder import DecoderHead
from tfgenai.finetune.heads.embedding import EmbeddingHead
from tfgenai.finetune.heads.features import Features
from tfgenai.finetune.heads.regression import RegressionHead
from tfgenai.finetune.heads.report import ClassifierReport, evaluate_classifier
from tfgenai.finetune.heads.unfreezing import unfreeze_gradually

__all__ = [
    "ClassifierHead",
    "ClassifierReport",
    "DecoderHead",
    "EmbeddingHead",
    "Features",
    "RegressionHead",
    "evaluate_classifier",
    "unfreeze_gradually",
]
