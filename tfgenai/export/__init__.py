"""From a trained model to a folder that a stock server serves, and the proof of it."""

from tfgenai.export.card import read_card
from tfgenai.export.optimize import Variant, VariantReport, compare_variants
from tfgenai.export.quantize import rounded_weights
from tfgenai.export.report import Check, VerifyReport
from tfgenai.export.rules import Violation, check
from tfgenai.export.saved_model import check_export, export_saved_model
from tfgenai.export.verify import verify

__all__ = [
    "Check",
    "Variant",
    "VariantReport",
    "VerifyReport",
    "Violation",
    "check",
    "check_export",
    "compare_variants",
    "export_saved_model",
    "read_card",
    "rounded_weights",
    "verify",
]
