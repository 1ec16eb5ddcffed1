"""Preference tuning: from which answers were liked better to a better model."""

from tfgenai.finetune.preferences.feedback import tune_on_feedback
from tfgenai.finetune.preferences.losses import dpo_loss, ipo_loss, kto_loss
from tfgenai.finetune.preferences.records import (
    Preference,
    read_preferences,
    write_preferences,
)
from tfgenai.finetune.preferences.tuner import PreferenceTuner

__all__ = [
    "Preference",
    "PreferenceTuner",
    "dpo_loss",
    "ipo_loss",
    "kto_loss",
    "read_preferences",
    "tune_on_feedback",
    "write_preferences",
]
