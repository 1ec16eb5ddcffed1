"""Variational autoencoders: the model and the networks that come with it."""

from tfgenai.vae.networks import (
    NETWORKS,
    conv_decoder,
    conv_encoder,
    mlp_decoder,
    mlp_encoder,
)
from tfgenai.vae.vae import VAE

__all__ = [
    "NETWORKS",
    "VAE",
    "conv_decoder",
    "conv_encoder",
    "mlp_decoder",
    "mlp_encoder",
]
