"""Imports every class of fine-tuning that a `.keras` file may hold."""

import tfgenai.finetune.distill_gpt
import tfgenai.finetune.heads
import tfgenai.finetune.images
import tfgenai.finetune.preferences  # noqa: F401
