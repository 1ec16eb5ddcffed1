"""Variational autoencoders, of vectors and of codes, and the networks with them."""

from tfgenai.vae.networks import (
    NETWORKS,
    conv_decoder,
    conv_encoder,
    mlp_decoder,
    mlp_encoder,
)
from tfgenai.vae.vae import VAE
from tfgenai.vae.vector_quantizer import VectorQuantizer
from tfgenai.vae.vq_networks import vq_decoder, vq_encoder
from tfgenai.vae.vq_vae import VQVAE

__all__ = [
    "NETWORKS",
    "VAE",
    "VQVAE",
    "VectorQuantizer",
    "conv_decoder",
    "conv_encoder",
    "mlp_decoder",
    "mlp_encoder",
    "vq_decoder",
    "vq_encoder",
]
