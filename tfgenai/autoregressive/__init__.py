"""Autoregressive models of images: each pixel, or code, given those before it."""

from tfgenai.autoregressive.attention import PixelAttention
from tfgenai.autoregressive.blocks import GatedBlock
from tfgenai.autoregressive.image_gpt import ImageGPT
from tfgenai.autoregressive.latent_image_gpt import LatentImageGPT
from tfgenai.autoregressive.masked_conv import (
    HorizontalConvolution,
    VerticalConvolution,
)
from tfgenai.autoregressive.network import PixelNetwork
from tfgenai.autoregressive.pixel_cnn import PixelCNN
from tfgenai.autoregressive.row_context import RowContext
from tfgenai.autoregressive.sampling import draw_by_full_passes, draw_images

__all__ = [
    "GatedBlock",
    "HorizontalConvolution",
    "ImageGPT",
    "LatentImageGPT",
    "PixelAttention",
    "PixelCNN",
    "PixelNetwork",
    "RowContext",
    "VerticalConvolution",
    "draw_by_full_passes",
    "draw_images",
]
