"""Samplers: one file each, all on the pair (alpha, sigma)."""

from tfgenai.diffusion.samplers.consistency import Consistency
from tfgenai.diffusion.samplers.ddim import DDIM
from tfgenai.diffusion.samplers.ddpm import DDPM
from tfgenai.diffusion.samplers.dpmpp_2m import DPMPP2M
from tfgenai.diffusion.samplers.dpmpp_2m_sde import DPMPP2MSDE
from tfgenai.diffusion.samplers.euler import Euler
from tfgenai.diffusion.samplers.euler_ancestral import EulerAncestral
from tfgenai.diffusion.samplers.euler_maruyama import EulerMaruyama
from tfgenai.diffusion.samplers.flow_euler import FlowEuler
from tfgenai.diffusion.samplers.flow_heun import FlowHeun
from tfgenai.diffusion.samplers.heun import Heun
from tfgenai.diffusion.samplers.predictor_corrector import PredictorCorrector
from tfgenai.diffusion.samplers.sampler import SAMPLERS, Sampler
from tfgenai.diffusion.samplers.spacing import SPACINGS
from tfgenai.diffusion.samplers.unipc import UniPC

__all__ = [
    "DDIM",
    "DDPM",
    "DPMPP2M",
    "DPMPP2MSDE",
    "SAMPLERS",
    "SPACINGS",
    "Consistency",
    "Euler",
    "EulerAncestral",
    "EulerMaruyama",
    "FlowEuler",
    "FlowHeun",
    "Heun",
    "PredictorCorrector",
    "Sampler",
    "UniPC",
]
