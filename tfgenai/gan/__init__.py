"""Generative adversarial networks: the model, its losses, penalties and networks."""

from tfgenai.gan.gan import GAN
from tfgenai.gan.losses import (
    ADVERSARIAL_LOSSES,
    AdversarialLoss,
    HingeLoss,
    LeastSquaresLoss,
    MinimaxLoss,
    NonSaturatingLoss,
    WassersteinLoss,
)
from tfgenai.gan.networks import (
    dcgan_discriminator,
    dcgan_generator,
    mlp_discriminator,
    mlp_generator,
)
from tfgenai.gan.penalties import PENALTIES, R1, GradientPenalty, WassersteinGP
from tfgenai.gan.spectral import SpectralConv2D, SpectralDense, SpectralEmbedding

__all__ = [  # noqa: RUF022 - sorted without regard to case
    "ADVERSARIAL_LOSSES",
    "AdversarialLoss",
    "dcgan_discriminator",
    "dcgan_generator",
    "GAN",
    "GradientPenalty",
    "HingeLoss",
    "LeastSquaresLoss",
    "MinimaxLoss",
    "mlp_discriminator",
    "mlp_generator",
    "NonSaturatingLoss",
    "PENALTIES",
    "R1",
    "SpectralConv2D",
    "SpectralDense",
    "SpectralEmbedding",
    "WassersteinGP",
    "WassersteinLoss",
]
