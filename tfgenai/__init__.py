"""Generative models in TensorFlow and Keras, from raw data to a monitored service.

Names are loaded when they are first used, so that `import tfgenai` costs nothing.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_MODELS = {
    "DiffusionModel": "tfgenai.diffusion",
    "GAN": "tfgenai.gan",
    "GPT": "tfgenai.gpt",
    "ImageGPT": "tfgenai.autoregressive",
    "LatentDiffusion": "tfgenai.diffusion",
    "LatentImageGPT": "tfgenai.autoregressive",
    "PixelCNN": "tfgenai.autoregressive",
    "VAE": "tfgenai.vae",
    "VQVAE": "tfgenai.vae",
    "GenerativeModel": "tfgenai.core.model",
    "load_model": "tfgenai.families",
}
_PACKAGES = (
    "autoregressive",
    "data",
    "diffusion",
    "evaluate",
    "export",
    "finetune",
    "gan",
    "gpt",
    "layers",
    "serving",
    "train",
    "tune",
    "vae",
)

__all__ = [  # noqa: RUF022 - sorted without regard to case
    "autoregressive",
    "data",
    "diffusion",
    "DiffusionModel",
    "evaluate",
    "export",
    "finetune",
    "GAN",
    "gan",
    "GenerativeModel",
    "GPT",
    "gpt",
    "ImageGPT",
    "LatentDiffusion",
    "LatentImageGPT",
    "layers",
    "load_model",
    "PixelCNN",
    "serving",
    "train",
    "tune",
    "VAE",
    "vae",
    "VQVAE",
]


def __getattr__(name: str) -> Any:
    if name in _MODELS:
        return getattr(importlib.import_module(_MODELS[name]), name)
    if name in _PACKAGES:
        return importlib.import_module(f"tfgenai.{name}")
    raise AttributeError(f"module 'tfgenai' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
