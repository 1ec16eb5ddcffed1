"""Samplers: one file each, all on the pair (alpha, sigma)."""

from tfgenai.diffusion.samplers.ddim import DDIM
from tfgenai.diffusion.samplers.sampler import SAMPLERS, Sampler
from tfgenai.diffusion.samplers.spacing import SPACINGS

__all__ = ["DDIM", "SAMPLERS", "SPACINGS", "Sampler"]
