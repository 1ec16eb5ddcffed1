"""Fine-tuning of image models: concepts, few pictures, preferences, one step."""

from tfgenai.finetune.images.concept_tokens import add_classes
from tfgenai.finetune.images.diffusion_dpo import DiffusionDPO
from tfgenai.finetune.images.discriminator_freezing import freeze_discriminator
from tfgenai.finetune.images.one_step import OneStepDistillation, distill_one_step
from tfgenai.finetune.images.prior_preservation import with_prior
from tfgenai.finetune.images.reward_weights import reward_weights

__all__ = [
    "DiffusionDPO",
    "OneStepDistillation",
    "add_classes",
    "distill_one_step",
    "freeze_discriminator",
    "reward_weights",
    "with_prior",
]
