"""Diffusion and flow matching: the model, its parts by name, networks and samplers."""

from tfgenai.diffusion.diffusion import DiffusionModel
from tfgenai.diffusion.dit import DiT
from tfgenai.diffusion.guidance import ClassifierFreeGuidance, Guidance, NoGuidance
from tfgenai.diffusion.mlp import MLP
from tfgenai.diffusion.networks import NETWORKS
from tfgenai.diffusion.predictions import (
    EDM,
    PREDICTION_TYPES,
    Data,
    Epsilon,
    Flow,
    Prediction,
    Velocity,
)
from tfgenai.diffusion.samplers import DDIM, SAMPLERS, SPACINGS, Sampler
from tfgenai.diffusion.schedules import (
    NOISE_SCHEDULES,
    Cosine,
    Karras,
    Linear,
    NoiseSchedule,
    RectifiedFlow,
    Sigmoid,
)
from tfgenai.diffusion.unet import UNet
from tfgenai.diffusion.weightings import (
    LOSS_WEIGHTINGS,
    SNR,
    LogitNormal,
    LogNormal,
    LossWeighting,
    MinSNR,
    Uniform,
)

__all__ = [
    "DDIM",
    "EDM",
    "LOSS_WEIGHTINGS",
    "MLP",
    "NETWORKS",
    "NOISE_SCHEDULES",
    "PREDICTION_TYPES",
    "SAMPLERS",
    "SNR",
    "SPACINGS",
    "ClassifierFreeGuidance",
    "Cosine",
    "Data",
    "DiT",
    "DiffusionModel",
    "Epsilon",
    "Flow",
    "Guidance",
    "Karras",
    "Linear",
    "LogNormal",
    "LogitNormal",
    "LossWeighting",
    "MinSNR",
    "NoGuidance",
    "NoiseSchedule",
    "Prediction",
    "RectifiedFlow",
    "Sampler",
    "Sigmoid",
    "UNet",
    "Uniform",
    "Velocity",
]
