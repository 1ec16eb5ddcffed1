"""Diffusion and flow matching: the model, its parts by name, networks and samplers."""

from tfgenai.diffusion.autoguidance import AutoGuidance
from tfgenai.diffusion.classifier_guidance import ClassifierGuidance
from tfgenai.diffusion.consistency_distillation import (
    DISTANCES,
    ConsistencyDistillation,
)
from tfgenai.diffusion.diffusion import DiffusionModel
from tfgenai.diffusion.dit import DiT
from tfgenai.diffusion.guidance import ClassifierFreeGuidance, Guidance, NoGuidance
from tfgenai.diffusion.latent import LatentDiffusion
from tfgenai.diffusion.mlp import MLP
from tfgenai.diffusion.model_sde import score_of, sde_of
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
from tfgenai.diffusion.progressive_distillation import (
    ProgressiveDistillation,
    distill_progressively,
)
from tfgenai.diffusion.samplers import (
    DDIM,
    DDPM,
    DPMPP2M,
    DPMPP2MSDE,
    SAMPLERS,
    SPACINGS,
    Consistency,
    Euler,
    EulerAncestral,
    EulerMaruyama,
    FlowEuler,
    FlowHeun,
    Heun,
    PredictorCorrector,
    Sampler,
    UniPC,
)
from tfgenai.diffusion.schedules import (
    NOISE_SCHEDULES,
    Cosine,
    Karras,
    Linear,
    NoiseSchedule,
    RectifiedFlow,
    Sigmoid,
)
from tfgenai.diffusion.sde import SDE, VESDE, VPSDE, SubVPSDE
from tfgenai.diffusion.trajectory import Trajectory
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
    "DDPM",
    "DISTANCES",
    "DPMPP2M",
    "DPMPP2MSDE",
    "EDM",
    "LOSS_WEIGHTINGS",
    "MLP",
    "NETWORKS",
    "NOISE_SCHEDULES",
    "PREDICTION_TYPES",
    "SAMPLERS",
    "SDE",
    "SNR",
    "SPACINGS",
    "VESDE",
    "VPSDE",
    "AutoGuidance",
    "ClassifierFreeGuidance",
    "ClassifierGuidance",
    "Consistency",
    "ConsistencyDistillation",
    "Cosine",
    "Data",
    "DiT",
    "DiffusionModel",
    "Epsilon",
    "Euler",
    "EulerAncestral",
    "EulerMaruyama",
    "Flow",
    "FlowEuler",
    "FlowHeun",
    "Guidance",
    "Heun",
    "Karras",
    "LatentDiffusion",
    "Linear",
    "LogNormal",
    "LogitNormal",
    "LossWeighting",
    "MinSNR",
    "NoGuidance",
    "NoiseSchedule",
    "Prediction",
    "PredictorCorrector",
    "ProgressiveDistillation",
    "RectifiedFlow",
    "Sampler",
    "Sigmoid",
    "SubVPSDE",
    "Trajectory",
    "UNet",
    "UniPC",
    "Uniform",
    "Velocity",
    "distill_progressively",
    "score_of",
    "sde_of",
]
