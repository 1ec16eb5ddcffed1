"""Generative models in TensorFlow and Keras, from raw data to a monitored service.

Names are loaded when they are first used, so that `import tfgenai` costs nothing.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_MODELS = {
    "DiffusionModel": "tfgenai.diffusion",
    "GAN": "tfgenai.gan",
    "LatentDiffusion": "tfgenai.diffusion",
    "VAE": "tfgenai.vae",
    "GenerativeModel": "tfgenai.core.model",
    "load_model": "tfgenai.families",
}
_PACKAGES = (
    "data",
    "diffusion",
    "evaluate",
    "export",
    "gan",
    "layers",
    "serving",
    "train",
    "vae",
)

__all__ = [  # noqa: RUF022 - sorted without regard to case
    "data",
    "diffusion",
    "DiffusionModel",
    "evaluate",
    "export",
    "GAN",
    "gan",
    "GenerativeModel",
    "LatentDiffusion",
    "layers",
    "load_model",
    "serving",
    "train",
    "VAE",
    "vae",
]


def __getattr__(name: str) -> Any:
    if name in _MODELS:
        return getattr(importlib.import_module(_MODELS[name]), name)
    if name in _PACKAGES:
        return importlib.import_module(f"tfgenai.{name}")
    raise AttributeError(f"module 'tfgenai' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
